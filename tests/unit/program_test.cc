#include <doctest/doctest.h>

#include "fake.h"
#include "proc/spawn.h"

using namespace ffrtmp;

TEST_CASE("a command is found in the workload's PATH, first match that can be executed") {
  fake::Dir dir;
  dir.file("one/tool", "", 0644);  // there, and no program
  dir.folder("two/tool");
  const std::string third = dir.file("three/tool", "", 0755);
  const std::string path = "PATH=" + (dir / "one") + ":" + (dir / "two") + ":" + (dir / "three");
  CHECK(find_program("tool", {"X=1", path}, std::nullopt).value() == third);
  const auto refused = find_program("tool", {"PATH=" + (dir / "one")}, std::nullopt);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().exit == ExitCode::not_executable);
  for (const std::string& only : {dir / "two", dir / "absent", std::string("")}) {
    const auto missing = find_program("tool", {"PATH=" + only}, std::nullopt);
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().exit == ExitCode::not_found);
    CHECK(missing.error().message().find("tool") != std::string::npos);
  }
  CHECK(find_program("sh", {}, std::nullopt).has_value());  // a default where there is no PATH
}

TEST_CASE("a name with a slash is looked up where the workload will stand") {
  fake::Dir dir;
  dir.file("bin/tool", "", 0755);
  dir.file("bin/plain", "", 0644);
  CHECK(find_program("bin/tool", {}, dir.path()).value() == "bin/tool");
  CHECK(find_program(dir / "bin/tool", {}, std::string("/")).has_value());
  CHECK_FALSE(find_program("bin/tool", {}, std::string("/")).has_value());
  const auto exit_of = [&](const std::string& name) {
    const auto found = find_program(name, {}, dir.path());
    REQUIRE_FALSE(found.has_value());
    CHECK_FALSE(found.error().message().empty());
    return found.error().exit;
  };
  CHECK(exit_of("bin/plain") == ExitCode::not_executable);
  CHECK(exit_of("bin/") == ExitCode::not_executable);
  CHECK(exit_of("bin/absent") == ExitCode::not_found);
  CHECK(exit_of("bin/tool/below") == ExitCode::not_found);
  CHECK(exit_of("") == ExitCode::not_found);
}

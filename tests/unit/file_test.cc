#include "sys/file.h"

#include <doctest/doctest.h>

#include "fake.h"

using namespace ffrtmp;

TEST_CASE("a file is replaced whole, with its mode, and no temporary file is left") {
  fake::Dir dir;
  const Fd fd = dir.open();
  REQUIRE(write_atomic(fd.get(), "a", "first, which is longer").has_value());
  REQUIRE(write_atomic(fd.get(), "a", "second", 0640).has_value());
  CHECK(dir.text("a") == "second");
  CHECK(fake::mode_of(dir / "a") == 0640);
  CHECK_FALSE(write_atomic(fd.get(), "no/such/folder", "x").has_value());
  dir.folder("taken");
  CHECK_FALSE(write_atomic(fd.get(), "taken", "x").has_value());
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir.path())) files++;
  CHECK(files == 2);
}

TEST_CASE("a control file takes its value in one write, and errors name the file") {
  fake::Dir dir;
  dir.file("knob", "");
  const Fd fd = dir.open();
  CHECK(write_control(fd.get(), "knob", "17").has_value());
  CHECK(dir.text("knob") == "17");
  const auto missing = write_control(fd.get(), "absent", "17");
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().errnum == ENOENT);
  CHECK_FALSE(dir.has("absent"));  // control files are never made
  CHECK(missing.error().message().find("absent") != std::string::npos);
  CHECK(write_control(AT_FDCWD, "/dev/full", "x").error().errnum == ENOSPC);
}

TEST_CASE("reading is bounded, and what cannot be read is an error or nothing") {
  fake::Dir dir;
  dir.file("long", std::string(10000, 'x'));
  const Fd fd = dir.open();
  CHECK(read_file_at(fd.get(), "long")->size() == 10000);
  CHECK(read_file_at(fd.get(), "long", 5000)->size() == 5000);
  CHECK(read_file_at(fd.get(), "absent").error().errnum == ENOENT);
  CHECK(read_or_empty(fd.get(), "absent").empty());
  CHECK_FALSE(read_file(dir.path()).has_value());
  CHECK(read_file("/proc/self/stat")->size() > 10);  // a file that reports no size
}

TEST_CASE("only a flat folder of plain files is removed") {
  fake::Dir dir;
  const Fd fd = dir.open();
  dir.file("flat/a", "1");
  dir.file("flat/.b", "2");
  CHECK(remove_flat_dir(fd.get(), "flat").has_value());
  CHECK_FALSE(dir.has("flat"));
  dir.file("deep/below/file", "kept");
  CHECK_FALSE(remove_flat_dir(fd.get(), "deep").has_value());
  CHECK(dir.has("deep/below/file"));
  CHECK_FALSE(remove_flat_dir(fd.get(), "absent").has_value());
  dir.file("target/precious", "kept");
  dir.link("flat2/link", dir / "target/precious");
  CHECK(remove_flat_dir(fd.get(), "flat2").has_value());
  CHECK(dir.has("target/precious"));
}

TEST_CASE("folders are made with their mode all the way, and made again without harm") {
  fake::Dir dir;
  REQUIRE(make_dirs(dir / "a/b/c", 0700).has_value());
  for (const std::string below : {"a", "a/b", "a/b/c"}) CHECK(fake::mode_of(dir / below) == 0700);
  CHECK(make_dirs(dir / "a/b/c", 0755).has_value());
  CHECK(fake::mode_of(dir / "a/b/c") == 0700);
  dir.file("file", "");
  CHECK_FALSE(make_dirs(dir / "file/below", 0700).has_value());
}

TEST_CASE("a descriptor closes itself once and moves without closing") {
  const int raw = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  {
    Fd first(raw);
    Fd second(std::move(first));
    CHECK_FALSE(first);
    CHECK(second.get() == raw);
    Fd& same = second;
    second = std::move(same);
    CHECK(::fcntl(raw, F_GETFD) >= 0);
  }
  CHECK(::fcntl(raw, F_GETFD) < 0);
}

#include "jobs/tail.h"

#include <doctest/doctest.h>
#include <linux/falloc.h>

#include "fake.h"
#include "sys/file.h"

using namespace ffrtmp;

namespace {

uint64_t space_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return static_cast<uint64_t>(info.st_blocks) * 512;
}
uint64_t size_of(const std::string& path) { return std::filesystem::file_size(path); }

struct Log {
  fake::Dir dir;
  std::string path = dir / "log";
  Fd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  int line = 0;
  void write(int lines) {
    std::string text;
    for (int i = 0; i < lines; i++)
      text += "line " + std::to_string(line++) + " of some hundred bytes: " + std::string(80, '.') + "\n";
    REQUIRE(write_all(fd.get(), text).has_value());
    ::fsync(fd.get());  // so that the blocks are counted
  }
  std::string last() const { return "line " + std::to_string(line - 1) + " of"; }
};

}  // namespace

TEST_CASE("a log below its cap is left as it is") {
  Log log;
  log.write(100);
  const uint64_t size = size_of(log.path);
  const auto taken = cap_file(log.fd.get(), 1 << 20);
  REQUIRE(taken.has_value());
  CHECK(*taken >= size);
  CHECK(size_of(log.path) == size);
  CHECK(last_lines(log.path, 1)[0].starts_with(log.last()));
}

TEST_CASE("a log that keeps growing takes up about its cap, and its end is never lost") {
  Log log;
  constexpr uint64_t kCap = 256 * 1024;
  for (int round = 0; round < 20; round++) {
    log.write(1000);
    const auto taken = cap_file(log.fd.get(), kCap);
    REQUIRE(taken.has_value());
    CHECK(*taken <= kCap);
    CHECK(space_of(log.path) <= kCap);
    const auto lines = last_lines(log.path, 3);
    REQUIRE(lines.size() == 3);
    CHECK(lines[2].starts_with(log.last()));
  }
  // Half of the cap is still there to be read, and starts with no rest of the hole.
  const auto text = read_tail(log.path, 1 << 30);
  REQUIRE(text.has_value());
  CHECK(text->size() >= kCap / 2);
  CHECK(text->size() <= kCap);
  CHECK(text->find('\0') == std::string::npos);
}

TEST_CASE("capping never takes what is within half of the cap") {
  // A cap below one page of the file system.
  Log small;
  small.write(20);
  const auto taken = cap_file(small.fd.get(), 1000);
  REQUIRE(taken.has_value());
  CHECK(last_lines(small.path, 1).size() == 1);
  CHECK(read_tail(small.path, 1 << 20)->size() >= 500);

  // Blocks that were only set aside, as XFS does beyond the end of a file that grows, are no contents.
  Log ahead;
  ahead.write(20);
  if (::fallocate(ahead.fd.get(), FALLOC_FL_KEEP_SIZE, 0, 4 << 20) != 0) {
    MESSAGE("this file system sets no blocks aside: not checked");
    return;
  }
  REQUIRE(cap_file(ahead.fd.get(), 3000).has_value());
  CHECK(last_lines(ahead.path, 1).size() == 1);
}

TEST_CASE("where no hole can be made the log is cut, and an appending writer goes on") {
  // A pipe has no holes and no size: nothing is done to it, and nothing breaks.
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const Fd in(ends[0]), out(ends[1]);
  CHECK(cap_file(out.get(), 10).has_value());
  CHECK_FALSE(cap_file(-1, 10).has_value());
}

TEST_CASE("the last lines are found across holes, carriage returns and a missing newline") {
  fake::Dir dir;
  CHECK(last_lines(dir.file("a", "one\ntwo\nthree"), 2) == std::vector<std::string>{"two", "three"});
  CHECK(last_lines(dir.file("b", "frame=1\rframe=2\rframe=3\n\n  \n"), 2) ==
        std::vector<std::string>{"frame=2", "frame=3"});
  CHECK(last_lines(dir.file("c", ""), 5).empty());
  CHECK(last_lines(dir.file("d", "\n\n\r\n"), 5).empty());
  CHECK(last_lines(dir.file("e", "one"), 5) == std::vector<std::string>{"one"});
  CHECK(last_lines(dir / "absent", 5).empty());
  const std::string path = dir.file("hole", std::string(8192, 'x') + "\nlast line\n");
  const Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192) != 0) {
    MESSAGE("this file system makes no holes: not checked");
    return;
  }
  CHECK(last_lines(path, 5) == std::vector<std::string>{"last line"});
  // Nothing but hole.
  REQUIRE(::ftruncate(fd.get(), 0) == 0);
  REQUIRE(::ftruncate(fd.get(), 1 << 20) == 0);
  CHECK(last_lines(path, 5).empty());
  CHECK(read_tail(path, 100)->empty());
}

TEST_CASE("the tail of a long file is its end, and of a short one all of it") {
  fake::Dir dir;
  CHECK(*read_tail(dir.file("a", std::string(10000, 'a') + "END"), 5) == "aaEND");
  CHECK(*read_tail(dir.file("b", "short"), 100) == "short");
  CHECK(*read_tail(dir.file("c", "short"), 0) == "");
  CHECK_FALSE(read_tail(dir / "absent", 10).has_value());
}

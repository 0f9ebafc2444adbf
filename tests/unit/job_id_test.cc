#include "jobs/job_id.h"

#include <doctest/doctest.h>

#include <set>

using namespace ffrtmp;

TEST_CASE("a job id is safe as a folder, a cgroup and an argument") {
  for (const std::string& good :
       {std::string("a"), std::string("0"), std::string("Live-1_b.c"), std::string(64, 'x')})
    CHECK_MESSAGE(check_job_id(good), good);
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("-a"), std::string("_a"),
        std::string(".a"), std::string("a/b"), std::string("/"), std::string("../a"), std::string("a b"),
        std::string("a\n"), std::string("\n"), std::string(65, 'x'), std::string("ä"), std::string("a\0b", 3),
        std::string("a:b"), std::string("a*"), std::string("a;rm")}) {
    CAPTURE(bad);
    const auto checked = check_job_id(bad);
    CHECK_FALSE(checked.has_value());
    if (checked) continue;
    CHECK_FALSE(checked.error().hint.empty());
    CHECK(checked.error().message().find('\n') == std::string::npos);
  }
  CHECK(check_job_id(std::string(100'000, 'x')).error().message().size() < 300);
}

TEST_CASE("ids that are made up are valid whatever the command, and differ") {
  for (const std::string& command : {std::string("/usr/bin/ffmpeg"), std::string(), std::string("/"),
                                     std::string("./-x"), std::string("日本"), std::string("a\nb"),
                                     std::string(300, 'y'), std::string("..."), std::string("\xff\xfe")}) {
    CAPTURE(command);
    CHECK(check_job_id(make_job_id(command)).has_value());
  }
  CHECK(make_job_id("/usr/bin/ffmpeg").starts_with("ffmpeg-"));
  std::set<std::string> made;
  for (int i = 0; i < 50; i++) made.insert(make_job_id("x"));
  CHECK(made.size() == 50);
}

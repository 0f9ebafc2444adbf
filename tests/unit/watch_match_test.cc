#include <doctest/doctest.h>
#include <unistd.h>

#include "adopt/tree.h"
#include "watch/look.h"
#include "watch/match.h"

using namespace ffrtmp;

namespace {

WatchRule rule(const std::string& name, std::vector<std::string> targets) {
  WatchRule out;
  out.name = name;
  out.targets = std::move(targets);
  return out;
}

Candidate ffmpeg() {
  Candidate out;
  out.pid = 4711;
  out.executable = "ffmpeg";
  out.uid = 1000;
  out.above = {"sh", "dash", "supervisord"};
  out.cgroups = {"/", "/system.slice/cam.service"};
  out.directory = "/srv/cam/7";
  out.command = "ffmpeg -i rtsp://cam7/x -f flv rtmp://origin/live";
  return out;
}

std::string matched(const WatchRule& only, const Candidate& candidate) {
  const std::vector<WatchRule> rules{only};
  const WatchRule* found = match(rules, candidate);
  return found ? found->name : "";
}

}  // namespace

TEST_CASE("globs know * and ?, match the whole text, and take no time to fail") {
  CHECK(glob_matches("", ""));
  CHECK_FALSE(glob_matches("", "x"));
  CHECK(glob_matches("*", ""));
  CHECK(glob_matches("ffmpeg*", "ffmpeg"));
  CHECK(glob_matches("ffmpeg*", "ffmpeg7"));
  CHECK_FALSE(glob_matches("ffmpeg", "ffmpeg7"));
  CHECK_FALSE(glob_matches("ffmpeg", "xffmpeg"));
  CHECK(glob_matches("gst-launch-1.?", "gst-launch-1.0"));
  CHECK_FALSE(glob_matches("gst-launch-1.?", "gst-launch-1."));
  CHECK(glob_matches("*rtmp://*", "ffmpeg -f flv rtmp://a/b"));
  CHECK(glob_matches("/a/*/c", "/a/b/b/c"));
  CHECK(glob_matches("*a*b*", "xxaxxbxx"));
  CHECK_FALSE(glob_matches("*a*b", "xxaxxbxx"));
  CHECK(glob_matches("[a]", "[a]"));  // brackets are themselves
  CHECK_FALSE(glob_matches("[a]", "a"));
  std::string pattern;
  for (int i = 0; i < 100; i++) pattern += "a*";
  CHECK_FALSE(glob_matches(pattern + "b", std::string(10000, 'a')));
}

TEST_CASE("the executable's name is that of its file, also when the file was replaced") {
  CHECK(executable_name("/usr/bin/ffmpeg") == "ffmpeg");
  CHECK(executable_name("/opt/ff mpeg/ffmpeg (deleted)") == "ffmpeg");
  CHECK(executable_name("") == "");
  CHECK(executable_name("ffmpeg") == "ffmpeg");
}

TEST_CASE("each thing that a rule asks for has to be met") {
  const WatchRule plain = rule("r", {"ffmpeg", "gst-launch-1.0"});
  CHECK(matched(plain, ffmpeg()) == "r");
  CHECK(matched(rule("r", {"ff*"}), ffmpeg()) == "r");
  CHECK(matched(rule("r", {"mpeg"}), ffmpeg()) == "");

  auto asks = plain;
  asks.uids = {0};
  CHECK(matched(asks, ffmpeg()) == "");
  asks.uids = {0, 1000};
  CHECK(matched(asks, ffmpeg()) == "r");

  asks = plain;
  asks.parents = {"cron"};
  CHECK(matched(asks, ffmpeg()) == "");
  asks.parents = {"cron", "supervisor*"};
  CHECK(matched(asks, ffmpeg()) == "r");

  asks = plain;
  asks.cgroups = {"/system.slice/*.service"};
  CHECK(matched(asks, ffmpeg()) == "r");
  asks.cgroups = {"*.scope"};
  CHECK(matched(asks, ffmpeg()) == "");

  asks = plain;
  asks.directories = {"/srv/cam"};
  CHECK(matched(asks, ffmpeg()) == "r");
  asks.directories = {"/srv/ca"};
  CHECK(matched(asks, ffmpeg()) == "");
  asks.directories = {"/srv/cam/7"};
  CHECK(matched(asks, ffmpeg()) == "r");
  asks.directories = {"/"};
  CHECK(matched(asks, ffmpeg()) == "r");
  asks.directories = {"/srv/cam/7/8"};
  CHECK(matched(asks, ffmpeg()) == "");

  asks = plain;
  asks.commands = {"*rtmp://*"};
  CHECK(matched(asks, ffmpeg()) == "r");
  asks.commands = {"rtmp://*"};
  CHECK(matched(asks, ffmpeg()) == "");
}

TEST_CASE("containers are left alone unless the rule says otherwise") {
  auto candidate = ffmpeg();
  candidate.container = true;
  auto asks = rule("r", {"ffmpeg"});
  CHECK(matched(asks, candidate) == "");
  asks.containers = true;
  CHECK(matched(asks, candidate) == "r");
}

TEST_CASE("the first rule that matches has the process") {
  auto first = rule("first", {"ffmpeg"});
  first.commands = {"*srt://*"};
  const std::vector<WatchRule> rules{first, rule("second", {"ffmpeg"}), rule("third", {"ff*"})};
  REQUIRE(match(rules, ffmpeg()));
  CHECK(match(rules, ffmpeg())->name == "second");
  auto other = ffmpeg();
  other.executable = "ffprobe";
  CHECK(match(rules, other)->name == "third");
  other.executable = "sh";
  CHECK_FALSE(match(rules, other));
  CHECK_FALSE(wanted(rules, "sh"));
  CHECK(wanted(rules, "ffprobe"));
}

TEST_CASE("a process is looked at as it is") {
  const auto lineage = lineage_of(::getpid());
  REQUIRE(lineage.size() >= 1);
  CHECK(lineage[0].pid == ::getpid());
  if (lineage.size() > 1) CHECK(lineage[1].pid == ::getppid());
  CHECK(lineage.back().ppid <= 1);
  const Candidate us = look_at(lineage);
  CHECK(us.executable == "ffrtmp_unit");
  CHECK(us.uid == ::geteuid());
  CHECK(us.command.find("ffrtmp_unit") != std::string::npos);
  CHECK(us.directory.starts_with("/"));
  CHECK(us.age > Duration(0));
  CHECK(us.age < std::chrono::hours(1));
  CHECK_FALSE(us.container);  // relative to ourselves
  CHECK_FALSE(us.cgroups.empty());
  CHECK(lineage_of(0).empty());
  CHECK(look_at({}).pid == 0);
}

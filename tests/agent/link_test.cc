#include "agent/link.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "agent/roots.h"
#include "agent/sender.h"
#include "agent/state.h"
#include "agent/yield.h"
#include "sys/file.h"

using namespace ffrtmp;
using namespace ffrtmp::agent;

namespace {

Reply judged(long status, const std::string& body, const std::string& type = "application/json",
             std::vector<std::string> needed = {"id"}) {
  client::Answer answer;
  answer.status = status;
  answer.body = body;
  answer.headers = {{"content-type", type}, {"retry-after", "7"}};
  return judge_answer("https://m:1", answer, needed);
}

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/ffrtmp-agent-unit-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { (void)!::system(("rm -rf " + path).c_str()); }
  void put(const std::string& name, const std::string& text) const {
    const auto fd = open_at(AT_FDCWD, path + "/" + name, O_WRONLY | O_CREAT | O_TRUNC);
    REQUIRE(write_all(fd->get(), text));
  }
};

}  // namespace

TEST_CASE("what answers is a master, or is it") {
  CHECK(judged(200, R"({"id": "n-1"})").ok());
  CHECK(judged(200, R"({"hello": 1})").trouble == Trouble::garbage);
  CHECK(judged(200, "<html>log in</html>", "text/html").trouble == Trouble::garbage);
  CHECK(judged(200, "").trouble == Trouble::garbage);
  CHECK(judged(302, "").trouble == Trouble::garbage);
  CHECK(judged(200, R"({"id": "n-)").trouble == Trouble::garbage);
  CHECK(judged(401, R"({"title": "Unauthorized"})").trouble == Trouble::key);
  CHECK(judged(409, R"({"detail": "taken"})").trouble == Trouble::refused);
  CHECK(judged(404, "not found", "text/plain").trouble == Trouble::garbage);
  CHECK(judged(503, "busy", "text/plain").trouble == Trouble::busy);
  CHECK(judged(507, R"({"detail": "full"})").trouble == Trouble::busy);
  CHECK(judged(500, "").trouble == Trouble::failed);
  CHECK(judged(429, "{}").retry_after == std::chrono::seconds(7));
  CHECK(judged(200, "<html>", "text/html").why.find("captive portal") != std::string::npos);
}

TEST_CASE("pauses grow, jitter, and are never nothing") {
  Backoff backoff(std::chrono::seconds(1), std::chrono::seconds(30));
  Duration most{};
  for (int i = 0; i < 200; i++) {
    const Duration pause = backoff.next();
    CHECK(pause >= std::chrono::milliseconds(200));
    CHECK(pause <= std::chrono::seconds(30));
    most = std::max(most, pause);
  }
  CHECK(most > std::chrono::seconds(15));
  backoff.reset();
  CHECK(backoff.next() <= std::chrono::seconds(1));
  CHECK(backoff.next(std::chrono::seconds(9)) >= std::chrono::seconds(9));
}

TEST_CASE("no path leads out of the roots") {
  const Folder root, outside;
  root.put("a.mp4", "x");
  outside.put("secret", "x");
  REQUIRE(::symlink(outside.path.c_str(), (root.path + "/out").c_str()) == 0);
  REQUIRE(::symlink((outside.path + "/secret").c_str(), (root.path + "/s").c_str()) == 0);
  REQUIRE(::symlink("a.mp4", (root.path + "/inside").c_str()) == 0);
  const std::vector<std::string> roots = {root.path};
  CHECK(inside_roots(root.path + "/a.mp4", roots) == root.path + "/a.mp4");
  CHECK(inside_roots(root.path + "/inside", roots) == root.path + "/a.mp4");
  for (const std::string& bad :
       std::vector<std::string>{"/out/secret", "/s", "/../" + outside.path.substr(5) + "/secret", "x/a.mp4"})
    CHECK(inside_roots(root.path + bad, roots).error().errnum == EACCES);
  CHECK(inside_roots("/etc/passwd", roots).error().errnum == EACCES);
  CHECK(inside_roots("/etc/passwd", {}).error().errnum == EACCES);
  CHECK(output_inside_roots(root.path + "/new.mp4", roots) == root.path + "/new.mp4");
  CHECK(!output_inside_roots(root.path + "/out/new.mp4", roots));
  CHECK(!output_inside_roots(root.path + "/..", roots));
  CHECK(!output_inside_roots(root.path + "/", roots));
}

TEST_CASE("pieces of a log are whole lines without secrets") {
  const Folder folder;
  folder.put("log", "one\nrtmp://h/app/KEY\rhalf");
  const std::string path = folder.path + "/log";
  LogPiece piece = read_log_piece(path, 0, false);
  CHECK(piece.text.starts_with("one\n"));
  CHECK(piece.text.find("KEY") == std::string::npos);
  CHECK(piece.text.find("half") == std::string::npos);
  CHECK(!piece.last);
  const LogPiece rest = read_log_piece(path, piece.next, true);
  CHECK(rest.text == "half");
  CHECK(rest.last);
  CHECK(read_log_piece(path, piece.next, false).text.empty());
  CHECK(read_log_piece(folder.path + "/none", 0, true).last);
  // A line longer than a piece is given in pieces all the same.
  folder.put("log", std::string(100, 'x'));
  CHECK(read_log_piece(path, 0, false, 40).text == std::string(40, 'x'));
}

TEST_CASE("state: what is written is there, and what is damaged is set aside") {
  const Folder folder;
  Attempt attempt;
  attempt.job = "j";
  attempt.number = 1;
  attempt.run_id = run_id_of("j", 1);
  attempt.spec = {{"type", "hash"}};
  {
    auto state = State::open(folder.path);
    REQUIRE(state);
    CHECK(State::open(folder.path).error().message().find("another agent") != std::string::npos);
    REQUIRE(state->add({attempt}, "nonce-1"));
    attempt.step = Step::ended;
    REQUIRE(state->end(attempt, {{0, "j", 1, "log", Json::object()}, {0, "j", 1, "result", {{"a", 1}}}}));
  }
  {
    auto state = State::open(folder.path);
    REQUIRE(state);
    CHECK(state->value("nonce") == "nonce-1");
    REQUIRE(state->attempts().size() == 1);
    CHECK(state->attempts()[0].step == Step::ended);
    REQUIRE(state->outbox().size() == 2);
    CHECK(state->outbox()[1].body["a"] == 1);
    REQUIRE(state->outbox_done(state->outbox()[0].id));
    CHECK(state->outbox_bytes() > 0);
    REQUIRE(state->remove(attempt));
    CHECK(state->outbox().empty());
  }
  folder.put("agent.db", std::string(8192, 'z'));
  auto state = State::open(folder.path);
  REQUIRE(state);
  CHECK(!state->set_aside().empty());
  CHECK(state->attempts().empty());
}

TEST_CASE("batch stands aside for a live job, one at a time, and comes back when it is calm") {
  Yield yield;
  using Act = Yield::Act;
  CHECK(yield.judge(0.5, true, false) == Act::pause_one);
  CHECK(yield.judge(0.5, false, true) == Act::nothing);
  CHECK(yield.judge(0.1, true, true) == Act::nothing);
  CHECK(yield.judge(0.01, true, true) == Act::nothing);
  CHECK(yield.judge(0.01, true, true) == Act::nothing);
  CHECK(yield.judge(0.01, true, true) == Act::resume_one);
  CHECK(yield.judge(0.01, true, true) == Act::nothing);
  CHECK(yield.judge(std::nullopt, true, true) == Act::resume_one);
  CHECK(yield.judge(std::nullopt, true, false) == Act::nothing);
}

TEST_CASE("a transfer that stands still is given up long before its time is over") {
  // The kernel takes the connection and as many bytes as fit; nobody reads them, and nobody answers.
  const Fd silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(silent.get(), reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(silent.get(), 5) == 0);
  REQUIRE(::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
  client::ClientOptions options;
  options.base = "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  const auto seconds = [&](std::string_view body, double timeout_s, double stall_s) {
    const auto http = client::HttpClient::open(options);
    REQUIRE(http);
    const auto began = std::chrono::steady_clock::now();
    const auto answer = (*http)->request("PATCH", "/", body, {}, timeout_s, stall_s);
    REQUIRE(!answer);
    CHECK(answer.error().errnum == ETIMEDOUT);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  const std::string piece(32 << 20, 'x');
  CHECK(seconds(piece, 300, 1) < 60);  // in the midst of the body
  CHECK(seconds("x", 300, 1) < 60);    // while the answer does not come
  // Where nobody looks at that, as on the link of the parked polls, it is waited for.
  CHECK(seconds("x", 5, 0) >= 4.9);
}

TEST_CASE("a piece is what the line takes in a few seconds") {
  using std::chrono::milliseconds, std::chrono::seconds;
  PieceSize fast;
  uint64_t sent = 0;
  int pieces = 0;
  for (; sent < 64 << 20; pieces++) {  // 100 MB a second
    const uint64_t bytes = fast.bytes();
    sent += bytes;
    fast.arrived(bytes, milliseconds(bytes / 100'000 + 1));
  }
  CHECK(fast.bytes() == 4 << 20);
  CHECK(pieces < 20);

  PieceSize slow;  // 2 kB a second: the first piece never gets through in 60 s, and after a while one does
  int lost = 0;
  for (int i = 0; i < 20; i++) {
    const uint64_t bytes = slow.bytes();
    const auto took = milliseconds(bytes / 2);
    if (took > seconds(60)) {
      slow.lost();
      lost++;
    } else {
      slow.arrived(bytes, took);
    }
  }
  CHECK(lost == 1);
  CHECK(slow.bytes() == 16 << 10);

  PieceSize middling;  // 100 kB a second
  for (int i = 0; i < 20; i++) middling.arrived(middling.bytes(), milliseconds(middling.bytes() / 100));
  CHECK(middling.bytes() >= 250'000);
  CHECK(middling.bytes() <= 310'000);
  // The last part of a file is short, and says nothing.
  middling.arrived(10, milliseconds(40));
  CHECK(middling.bytes() >= 250'000);
}

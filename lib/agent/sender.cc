#include "agent/sender.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "net/url_guard.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

constexpr uint64_t kLeastPiece = 16 << 10, kMostPiece = 4 << 20;
constexpr std::chrono::seconds kPieceTakes{3};
constexpr double kPieceTimeout = 300;
constexpr double kSlowestDisk = 50e6;   // bytes a second
constexpr double kStrangersStall = 60;  // what stores a file may think about it for a while

/// A part of a file as it lies in the page cache: a piece costs no memory of ours.
class Mapped {
 public:
  static Result<Mapped> open(const std::string& path, uint64_t expected_size) {
    Mapped out;
    TRY(out.fd_, open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW));
    struct stat info {};
    if (::fstat(out.fd_.get(), &info) != 0) return sys_error("looking at", path);
    if (static_cast<uint64_t>(info.st_size) != expected_size)
      return bad_input("the file has changed since the job made it:", path);
    return out;
  }
  Result<std::string_view> part(uint64_t offset, uint64_t size) {
    unmap();
    if (size == 0) return std::string_view();
    const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    const uint64_t begin = offset / page * page;
    size_ = offset + size - begin;
    void* at = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd_.get(), static_cast<off_t>(begin));
    if (at == MAP_FAILED) return sys_error("mapping a file", "");
    at_ = at;
    return std::string_view(static_cast<const char*>(at) + (offset - begin), size);
  }
  Mapped(Mapped&& other) noexcept
      : fd_(std::move(other.fd_)), at_(std::exchange(other.at_, nullptr)), size_(other.size_) {}
  Mapped& operator=(Mapped&&) = delete;
  ~Mapped() { unmap(); }

 private:
  Mapped() = default;
  void unmap() {
    if (at_) ::munmap(std::exchange(at_, nullptr), size_);
  }
  Fd fd_;
  void* at_ = nullptr;
  size_t size_ = 0;
};

Sent of(const Reply& reply) {
  Sent out;
  out.why = reply.why;
  out.retry_after = reply.retry_after;
  out.kind = reply.ok()                                   ? Sent::Kind::done
             : reply.trouble == Trouble::key              ? Sent::Kind::key
             : reply.worth_repeating()                    ? Sent::Kind::later
             : reply.status == 409 || reply.status == 404 ? Sent::Kind::stale
                                                          : Sent::Kind::broken;
  return out;
}

std::string attempt_query(int64_t number) { return "?attempt=" + std::to_string(number); }

}  // namespace

LogPiece read_log_piece(const std::string& path, int64_t from, bool ended, size_t most) {
  LogPiece out;
  out.next = from;
  const auto fd = open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW);
  struct stat info {};
  if (!fd || ::fstat(fd->get(), &info) != 0 || info.st_size <= from) {
    out.last = ended;
    return out;
  }
  // The recorder keeps a log small by punching out its old part.
  const off_t data = ::lseek(fd->get(), from, SEEK_DATA);
  const int64_t begin = data < 0 ? static_cast<int64_t>(info.st_size) : static_cast<int64_t>(data);
  std::string raw(std::min<size_t>(most, static_cast<size_t>(info.st_size - begin)), '\0');
  const ssize_t got = raw.empty() ? 0 : ::pread(fd->get(), raw.data(), raw.size(), begin);
  raw.resize(got > 0 ? static_cast<size_t>(got) : 0);
  const int64_t end = begin + static_cast<int64_t>(raw.size());
  const bool all = end >= info.st_size;
  if (!(ended && all)) {
    const size_t line = raw.find_last_of("\n\r");
    if (line != std::string::npos)
      raw.resize(line + 1);
    else if (raw.size() < most)
      raw.clear();  // half a line: it comes when it is whole
  }
  out.next = begin + static_cast<int64_t>(raw.size());
  out.last = ended && out.next >= info.st_size;
  if (begin > from) {
    std::erase(raw, '\0');  // of the page that was punched in part
    out.text = "[" + std::to_string(begin - from) + " bytes were not kept]\n";
  }
  size_t at = 0;
  while (at < raw.size()) {
    size_t line = raw.find_first_of("\n\r", at);
    line = line == std::string::npos ? raw.size() : line + 1;
    out.text += redact_text(std::string_view(raw).substr(at, line - at));
    at = line;
  }
  return out;
}

Sent send_log(Link& link, const Attempt& attempt, const std::string& folder, bool ended) {
  const LogPiece piece = read_log_piece(folder + "/log", attempt.log_from, ended);
  Sent out;
  out.log_from = piece.next;
  out.log_at = attempt.log_at;
  out.kind = piece.last ? Sent::Kind::done : Sent::Kind::more;
  if (piece.text.empty()) return out;
  std::string_view rest = piece.text;
  int64_t at = attempt.log_at;
  for (int round = 0; round < 3; round++) {
    const std::string path = "/jobs/" + url_encode(attempt.job) + "/logs" + attempt_query(attempt.number) +
                             "&offset=" + std::to_string(at);
    const Reply reply =
        link.send("POST", path, rest, {{"Content-Type", "application/octet-stream"}}, {"next"});
    const auto next = static_cast<int64_t>(whole_or(reply.body, "next", 0));
    if (reply.ok()) {
      out.log_at = next;
      out.bytes = rest.size();
      const bool full = at_or_null(reply.body, "full") == Json(true);
      out.kind = piece.last || full ? Sent::Kind::done : Sent::Kind::more;
      return out;
    }
    if (reply.status != 409 || !reply.body.contains("next")) {
      Sent failed = of(reply);
      failed.log_from = attempt.log_from;
      failed.log_at = attempt.log_at;
      return failed;
    }
    // The server knows how far it is. An answer that was lost shows as an offset inside this very piece: the
    // same file gives the same text, so the rest of it is what is missing.
    const int64_t into = next - attempt.log_at;
    rest = into > 0
               ? std::string_view(piece.text).substr(std::min(static_cast<size_t>(into), piece.text.size()))
               : std::string_view(piece.text);
    at = next;
    out.log_at = next;
    if (rest.empty()) {
      out.kind = piece.last ? Sent::Kind::done : Sent::Kind::more;
      return out;
    }
  }
  out.kind = Sent::Kind::broken;
  out.why = "the master's offset of the log does not settle";
  return out;
}

void PieceSize::arrived(uint64_t bytes, Duration took) {
  const double seconds = std::max(0.001, std::chrono::duration<double>(took).count());
  const auto fits =
      static_cast<uint64_t>(static_cast<double>(bytes) / seconds * static_cast<double>(kPieceTakes.count()));
  // A short piece that was quick was so for its shortness.
  if (took > kPieceTakes)
    bytes_ = fits;
  else if (bytes >= bytes_)
    bytes_ = std::min(fits, bytes_ * 4);
  bytes_ = std::clamp(bytes_, kLeastPiece, kMostPiece);
}

void PieceSize::lost() { bytes_ = std::max(kLeastPiece, bytes_ / 4); }

Sent send_artifact(Link& link, const OutboxItem& item, PieceSize& piece_size) {
  const std::string path = text_or(item.body, "path"), name = text_or(item.body, "name");
  const uint64_t size = whole_or(item.body, "size", 0);
  auto file = Mapped::open(path, size);
  if (!file) return {Sent::Kind::broken, file.error().message(), {}, 0, 0, 0};
  const std::string to =
      "/jobs/" + url_encode(item.job) + "/artifacts/" + url_encode(name) + attempt_query(item.number);
  const Json announced = {{"size", size}, {"sha256", text_or(item.body, "sha256")}};
  Reply reply = link.ask("PUT", to, announced, {"state"});
  if (!reply.ok()) return of(reply);
  const auto whole = [&] { return text_or(reply.body, "state") == "complete"; };
  Sent out;
  if (!whole()) {
    const uint64_t offset = whole_or(reply.body, "received", 0);
    if (offset >= size)
      return {Sent::Kind::broken, "the master has more of " + name + " than there is", {}, 0, 0, 0};
    const auto piece = file->part(offset, std::min(piece_size.bytes(), size - offset));
    if (!piece) return {Sent::Kind::broken, piece.error().message(), {}, 0, 0, 0};
    // With the last piece the master reads the file once more before it answers.
    const bool last = offset + piece->size() == size;
    const Duration begun = monotonic_now();
    reply =
        link.send("PATCH", to, *piece,
                  {{"Content-Type", "application/octet-stream"}, {"Upload-Offset", std::to_string(offset)}},
                  {"state"}, kPieceTimeout, last ? static_cast<double>(size) / kSlowestDisk : 0);
    // Another sender of ours was there in between (an answer was lost): the next turn asks for the offset.
    if (reply.status == 409 && !reply.header("upload-offset").empty())
      return {Sent::Kind::more, "", {}, 0, 0, 0};
    if (reply.trouble == Trouble::network) piece_size.lost();
    if (!reply.ok()) return of(reply);
    if (!last) piece_size.arrived(piece->size(), monotonic_now() - begun);
    out.bytes = piece->size();
  }
  out.kind = whole() ? Sent::Kind::done : Sent::Kind::more;
  return out;
}

Sent send_put(const OutboxItem& item, const std::string& url, bool allow_inward,
              std::shared_ptr<const std::atomic<bool>> stop) {
  const std::string path = text_or(item.body, "path");
  auto file = Mapped::open(path, whole_or(item.body, "size", 0));
  const auto broken = [&](const std::string& why) {
    return Sent{Sent::Kind::broken, redact_text(why), {}, 0, 0, 0};
  };
  if (!file) return broken(file.error().message());
  const auto bytes = file->part(0, whole_or(item.body, "size", 0));
  if (!bytes) return broken(bytes.error().message());
  const size_t slash = url.find('/', url.find("://") + 3);
  client::ClientOptions options;
  options.base = url.substr(0, slash);
  options.refuse_inward = !allow_inward;
  options.stop = std::move(stop);
  auto http = client::HttpClient::open(options);
  if (!http) return broken(http.error().message());
  const std::string target = slash == std::string::npos ? "/" : url.substr(slash);
  // Such a store takes it in one piece or not at all: as long as it moves, a slow line has all the time.
  const auto answer =
      (*http)->request("PUT", target, *bytes, {}, client::HttpClient::kNoLimit, kStrangersStall);
  if (!answer) return {Sent::Kind::later, redact_text(answer.error().message()), {}, 0, 0, 0};
  if (answer->status >= 200 && answer->status < 300) return {Sent::Kind::done, "", {}, 0, 0, bytes->size()};
  const std::string why = "putting to " + redact(url) + ": status " + std::to_string(answer->status);
  const bool later = answer->status >= 500 || answer->status == 429 || answer->status == 408;
  return {later ? Sent::Kind::later : Sent::Kind::broken, why, {}, 0, 0, 0};
}

Sent send_result(Link& link, const std::string& node, const OutboxItem& item) {
  const Reply reply = link.ask("POST", "/nodes/" + url_encode(node) + "/results", item.body, {"jobs"});
  Sent out = of(reply);
  if (reply.status == 422 && reply.why.find("artifact") != std::string::npos) out.kind = Sent::Kind::missing;
  return out;
}

}  // namespace ffrtmp::agent

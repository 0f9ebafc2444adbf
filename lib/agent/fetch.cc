#include "agent/fetch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "net/digest.h"
#include "net/url_guard.h"
#include "sys/file.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

constexpr double kStall = 60;       ///< seconds without a byte
constexpr unsigned kMostTries = 8;  ///< in a row without a new byte, of a server that is no master
constexpr int kMostRedirects = 5;

/// scheme://host:port, and what follows.
std::pair<std::string, std::string> cut_url(const std::string& url) {
  const size_t slash = url.find('/', url.find("://") + 3);
  if (slash == std::string::npos) return {url, "/"};
  return {url.substr(0, slash), url.substr(slash)};
}

int64_t size_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<int64_t>(info.st_size) : 0;
}

Result<std::string> digest_of(const std::string& path) {
  TRY(const Fd fd, open_at(AT_FDCWD, path, O_RDONLY));
  net::Sha256 sum;
  std::string buffer(1 << 16, '\0');
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("reading", path);
    if (got == 0) return sum.finish_hex();
    sum.add({buffer.data(), static_cast<size_t>(got)});
  }
}

/// One file on its way.
class Download {
 public:
  Download(const Fetch& fetch, const std::string& job, std::shared_ptr<Masters> masters, bool allow_inward,
           const std::atomic<bool>& stop)
      : fetch_(fetch),
        job_(job),
        masters_(std::move(masters)),
        allow_inward_(allow_inward),
        stop_(stop),
        part_(fetch.path + ".part"),
        link_(masters_) {}

  std::optional<Refusal> run() {
    if (::access(fetch_.path.c_str(), F_OK) == 0) return std::nullopt;  // it came before
    if (const auto made = make_dirs(fetch_.path.substr(0, fetch_.path.rfind('/')), 0700); !made)
      return Refusal{"node", made.error().message()};
    // Of what an earlier agent brought, nothing tells whether the server still has the same file.
    if (fetch_.sha256.empty()) ::unlink(part_.c_str());
    Backoff backoff(std::chrono::seconds(1), std::chrono::seconds(60));
    unsigned fruitless = 0;
    while (!stop_) {
      const int64_t before = size_of(part_);
      const Verdict verdict = once();
      if (verdict == Verdict::whole) return finish();
      if (verdict == Verdict::hopeless) return refusal_;
      if (size_of(part_) > before) {
        fruitless = 0;
        backoff.reset();
      }
      if (!from_master() && ++fruitless >= kMostTries) return Refusal{"network", why_};
      wait(backoff.next());
    }
    return Refusal{"node", "stopped"};
  }

 private:
  enum class Verdict { whole, again, hopeless };
  bool from_master() const { return fetch_.url.empty(); }

  void wait(Duration pause) const {
    const Duration until = monotonic() + pause;
    while (!stop_ && monotonic() < until) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  static Duration monotonic() { return std::chrono::steady_clock::now().time_since_epoch(); }

  Verdict hopeless(const char* failure_class, const std::string& reason) {
    refusal_ = {failure_class, printable(redact_text(reason))};
    return Verdict::hopeless;
  }

  Verdict again(const std::string& why) {
    why_ = printable(redact_text("the input " + shown() + ": " + why));
    return Verdict::again;
  }

  std::string shown() const { return from_master() ? fetch_.name : redact(fetch_.url); }

  Verdict once() {
    if (from_master()) {
      auto http = link_.http();
      if (!http) return again(http.error().message());
      const std::string path = "/api/v1/jobs/" + url_encode(job_) + "/inputs/" + url_encode(fetch_.name);
      const size_t turn = masters_->turn();
      const Verdict out = take(**http, path);
      if (out == Verdict::again) {
        masters_->turn_on(turn);
        link_.drop();
      }
      return out;
    }
    const auto [base, path] = cut_url(location_.empty() ? fetch_.url : location_);
    client::ClientOptions options;
    options.base = base;
    options.refuse_inward = !allow_inward_;
    auto http = client::HttpClient::open(options);
    if (!http) return hopeless("input", http.error().message());
    return take(**http, path);
  }

  /// One request: from where we are to the end.
  Verdict take(client::HttpClient& http, const std::string& path) {
    auto fd = open_at(AT_FDCWD, part_, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
    if (!fd) return hopeless("node", fd.error().message());
    int64_t at = size_of(part_);
    client::HttpClient::Headers headers;
    if (at > 0) {
      headers.emplace_back("Range", "bytes=" + std::to_string(at) + "-");
      // Of another file than the one that we have a part of, the whole is wanted.
      if (!etag_.empty()) headers.emplace_back("If-Range", etag_);
    }
    bool begun = false, full = false;
    const auto sink = [&](const client::Answer& answer, std::string_view piece) {
      if (stop_) return false;
      if (answer.status != 200 && answer.status != 206) return true;  // the text of an error
      if (!begun) {
        begun = true;
        const bool continues =
            answer.status == 206 &&
            answer.header("content-range").starts_with("bytes " + std::to_string(at) + "-");
        if (!continues) at = 0;
        if (!continues && ::ftruncate(fd->get(), 0) != 0) return false;
        etag_ = answer.header("etag").starts_with("W/") ? "" : answer.header("etag");
      }
      while (!piece.empty()) {
        const ssize_t wrote = ::pwrite(fd->get(), piece.data(), piece.size(), at);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
          full = true;
          return false;
        }
        piece.remove_prefix(static_cast<size_t>(wrote));
        at += wrote;
      }
      return true;
    };
    const auto answer = http.download(path, headers, kStall, sink);
    if (full)
      return hopeless("resource",
                      "writing the input " + shown() + ": " + sys_error("", part_).error().message());
    if (stop_) return Verdict::again;
    if (!answer) return again(answer.error().message());
    return judge(*answer, *fd, at, begun);
  }

  Verdict judge(const client::Answer& answer, const Fd& fd, int64_t at, bool begun) {
    const long status = answer.status;
    if (status == 200 || status == 206) {
      if (!begun && ::ftruncate(fd.get(), 0) != 0) return again("it cannot be cut");  // an empty file
      if (::fsync(fd.get()) != 0) return hopeless("resource", "syncing the input " + shown());
      return Verdict::whole;
    }
    if (status == 416) {
      // Nothing behind what we have: it is whole, or it is another file by now. The digest tells; without
      // one, anew.
      if (fetch_.size >= 0 ? at == fetch_.size : !fetch_.sha256.empty() && at > 0) return Verdict::whole;
      (void)!::ftruncate(fd.get(), 0);
      return again("the server has less of it than we have");
    }
    if (status >= 300 && status < 400 && !from_master()) return redirect(answer);
    const std::string why = "status " + std::to_string(status);
    const bool refused = status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
    // A master that does not know our token yet, or any more, may do so later; of a job that it forgot we
    // hear.
    if (refused && !(from_master() && status == 401))
      return hopeless("input", "the input " + shown() + ": " + why);
    return again(why);
  }

  Verdict redirect(const client::Answer& answer) {
    std::string to = answer.header("location");
    const std::string from = location_.empty() ? fetch_.url : location_;
    if (to.starts_with("/") && !to.starts_with("//")) to = cut_url(from).first + to;
    const bool web = to.starts_with("https://") || (to.starts_with("http://") && from.starts_with("http://"));
    if (!web || ++redirects_ > kMostRedirects)
      return hopeless("input", "the input " + shown() + ": a redirect to " + redact(to) + " is not followed");
    location_ = to;
    return once();
  }

  std::optional<Refusal> finish() {
    const int64_t size = size_of(part_);
    if (fetch_.size >= 0 && size != fetch_.size) {
      ::unlink(part_.c_str());
      return Refusal{"input", "the input " + shown() + " has " + std::to_string(size) + " bytes, not " +
                                  std::to_string(fetch_.size)};
    }
    if (!fetch_.sha256.empty()) {
      const auto digest = digest_of(part_);
      if (!digest) return Refusal{"node", digest.error().message()};
      if (*digest != fetch_.sha256) {
        ::unlink(part_.c_str());
        return Refusal{"input",
                       "the input " + shown() + " has the digest " + *digest + ", not " + fetch_.sha256};
      }
    }
    if (::rename(part_.c_str(), fetch_.path.c_str()) != 0)
      return Refusal{"node", sys_error("renaming", part_).error().message()};
    return std::nullopt;
  }

  const Fetch& fetch_;
  const std::string job_;
  std::shared_ptr<Masters> masters_;
  const bool allow_inward_;
  const std::atomic<bool>& stop_;
  const std::string part_;
  Link link_;
  std::string etag_, location_, why_;
  int redirects_ = 0;
  Refusal refusal_;
};

}  // namespace

std::optional<Refusal> fetch_all(const std::vector<Fetch>& files, const std::string& job,
                                 const std::shared_ptr<Masters>& masters, bool allow_inward,
                                 const std::atomic<bool>& stop) {
  for (const auto& file : files)
    if (auto refusal = Download(file, job, masters, allow_inward, stop).run()) return refusal;
  return std::nullopt;
}

}  // namespace ffrtmp::agent

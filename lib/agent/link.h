#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/options.h"
#include "client/http_client.h"
#include "sys/json.h"
#include "sys/result.h"

namespace ffrtmp::agent {

/// Why a request to a master did not give what was asked.
enum class Trouble {
  none,
  network,  ///< no connection, a time-out, half an answer
  trust,    ///< the certificate or the pin does not fit
  garbage,  ///< an answer, but not one of a master: a proxy or a captive portal
  busy,     ///< 429, 503, 507: later, perhaps at another master
  failed,   ///< 500 and the like
  key,      ///< 401, 403: our key or token is not taken
  refused,  ///< any other 4xx: the same request will be refused again
};

/// What came of one request. `body` is an object whenever `trouble` is none or refused.
struct Reply {
  Trouble trouble = Trouble::none;
  long status = 0;
  Json body = Json::object();
  std::vector<std::pair<std::string, std::string>> headers;
  Duration retry_after{};  ///< what the master asked for; 0: nothing
  std::string why;         ///< one line for people
  bool ok() const { return trouble == Trouble::none; }
  /// The same request may succeed later.
  bool worth_repeating() const {
    return trouble == Trouble::network || trouble == Trouble::trust || trouble == Trouble::garbage ||
           trouble == Trouble::busy || trouble == Trouble::failed;
  }
  std::string header(std::string_view name) const;
};

/// Judges what came back: a master answers in JSON, with the fields that the caller needs. Pure.
Reply judge_answer(const std::string& master, const client::Answer& answer,
                   const std::vector<std::string>& needed);

/// The masters of a fleet and who we are to them; shared by all links. Thread-safe.
class Masters {
 public:
  explicit Masters(const Options& options);

  /// The one that is in use, and a number that changes with it.
  std::string current() const;
  size_t turn() const { return turn_; }
  /// The one that `turn` named gave trouble: the next one's turn, if nobody has turned on already.
  void turn_on(size_t turn);

  void set_token(const std::string& node, const std::string& token);
  std::string node() const;
  client::ClientOptions client_options(const std::string& bearer) const;
  std::string token() const;
  uint64_t epoch() const { return epoch_; }

 private:
  const Options options_;
  mutable std::mutex mutex_;
  std::string node_, token_;
  std::atomic<size_t> turn_ = 0;
  std::atomic<uint64_t> epoch_ = 0;
};

/// One connection to whichever master is in use. Requests block; one link a thread.
class Link {
 public:
  /// `stall_s`: a request during which no byte moves for so long is given up; 0 for links on which the master
  /// parks requests.
  explicit Link(std::shared_ptr<Masters> masters, double stall_s = 0)
      : masters_(std::move(masters)), stall_s_(stall_s) {}

  /// `needed`: fields that an answer of status 2xx must have to be a master's.
  Reply ask(const std::string& method, const std::string& path, const Json& body,
            const std::vector<std::string>& needed, double timeout_s = 30);
  /// Bytes with headers; the answer is judged as above. `think_s`: the master may take so much longer.
  Reply send(const std::string& method, const std::string& path, std::string_view bytes,
             const client::HttpClient::Headers& headers, const std::vector<std::string>& needed,
             double timeout_s = 120, double think_s = 0);
  /// With a key of the operator's in place of the node's token.
  void use_key(std::string key) { key_ = std::move(key); }
  /// The connection as it is, for downloads; opened where it is not.
  Result<client::HttpClient*> http();
  void drop() { http_.reset(); }

 private:
  std::shared_ptr<Masters> masters_;
  const double stall_s_;
  std::unique_ptr<client::HttpClient> http_;
  std::string key_;
  size_t turn_ = 0;
  uint64_t epoch_ = 0;
};

/// How long to wait before the next try: full jitter (any time from nothing up to a doubling bound), so that
/// a fleet that lost its master does not come back all at once. Not thread-safe.
class Backoff {
 public:
  Backoff(Duration first, Duration most) : first_(first), most_(most) {}
  Duration next(Duration at_least = {});
  void reset() { tries_ = 0; }
  unsigned tries() const { return tries_; }

 private:
  Duration first_, most_;
  unsigned tries_ = 0;
};

/// A path's part with everything but letters, digits and -._~ as %XX.
std::string url_encode(std::string_view text);

}  // namespace ffrtmp::agent

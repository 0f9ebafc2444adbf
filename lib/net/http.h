#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/fd.h"

namespace ffrtmp::net {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// One request, complete. Header names are lower case.
struct Request {
  std::string method, path;
  Pairs query, headers;
  std::string body;
  std::string peer;         ///< the client's address
  std::string client_name;  ///< the common name of a verified client certificate; empty without one
  bool client_verified = false;

  /// "" when absent.
  const std::string& header(std::string_view name) const;
  std::optional<std::string> param(std::string_view name) const;
};

/// Text that grows while a client reads it (server-sent events). Thread-safe.
class Stream {
 public:
  virtual ~Stream() = default;
  /// False when the client is gone or too far behind: forget the stream.
  virtual bool push(std::string_view text) = 0;
  virtual void close() = 0;
};

struct Response {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  Pairs headers;
  /// A part of a file in place of `body`.
  std::shared_ptr<Fd> file;
  uint64_t file_offset = 0, file_size = 0;
  /// The answer goes on until the stream is closed; told of it once it can be pushed to.
  std::function<void(std::shared_ptr<Stream>)> stream;
  bool close = false;  ///< end the connection afterwards
};

/// A request that waits for its answer, on any thread, as long as it takes: a parked one costs memory and no
/// thread.
class Exchange {
 public:
  virtual ~Exchange() = default;
  Request request;
  /// The connection is `owner`'s from now on, until it ends. False when that one has `most` others already
  /// (0: no limit): refuse, and close it. Only before `respond`.
  virtual bool claim_connection(const std::string& owner, size_t most) = 0;
  /// Runs `action` once when the client hangs up before `respond`, on a thread of the server's: keep it
  /// short. For requests that wait long, and only once they do.
  virtual void on_gone(std::function<void()> action) = 0;
  /// Whether the client has hung up. False once `respond` was called.
  virtual bool gone() = 0;
  /// Once. Later calls are ignored.
  virtual void respond(Response response) = 0;
};
using Handler = std::function<void(std::shared_ptr<Exchange>)>;

}  // namespace ffrtmp::net

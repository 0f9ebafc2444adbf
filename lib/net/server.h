#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/http.h"
#include "sys/result.h"

namespace ffrtmp::net {

struct ServerOptions {
  std::string host = "0.0.0.0";
  uint16_t port = 8443;
  int listen_fd = -1;            ///< a socket that is listening already (socket activation); taken over
  std::string certificate, key;  ///< PEM; both empty: plain HTTP
  std::string client_ca;         ///< PEM; clients must show a certificate under it
  size_t most_connections = 12'000;
  size_t most_per_address = 0;  ///< 0: no limit
  size_t most_body = 9u << 20;
  size_t most_body_total = 512u << 20;
  int64_t idle_ms = 75'000;  ///< between two requests, and while neither end sends anything
  int64_t header_ms =
      15'000;  ///< from the first moment of a connection, or of waiting, to the end of a header
  int64_t body_ms = 300'000;  ///< from the end of the header to the end of the body
  int io_threads = 2;
  int worker_threads = 32;
  /// Requests that are answered at once, on the I/O thread, whatever the workers wait for. Must be quick.
  std::function<bool(const Request&)> at_once;
};

/// An HTTP/1.1 server over libmicrohttpd. Handlers run on worker threads; the answer may come later, from any
/// thread.
class Server {
 public:
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Handler handler);
  virtual ~Server() = default;
  /// The port it listens on (useful when 0 was asked).
  virtual uint16_t port() const = 0;
  /// Takes no more connections; those that are open may finish.
  virtual void quiesce() = 0;
  /// New handshakes use this pair; those under way keep theirs. On error nothing changes.
  virtual Status reload_certificate(const std::string& certificate, const std::string& key) = 0;
  virtual size_t connections() const = 0;
  /// Requests whose answer is not yet given.
  virtual size_t open_requests() const = 0;
  /// Connections that wait for something of ours: a handshake, a request under way, an answer. Those that
  /// rest between two requests are not among them.
  virtual size_t busy_connections() const = 0;
};

}  // namespace ffrtmp::net

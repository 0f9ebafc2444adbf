#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/result.h"

namespace ffrtmp::client {

struct Answer {
  long status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  /// "" when absent.
  std::string header(std::string_view name) const;
};

struct ClientOptions {
  std::string base;     ///< https://host:port; a path is not taken
  std::string ca_file;  ///< trust this authority and no other
  std::string
      ca_pin;  ///< "sha256:HEX": trust the authority with this public key, found in the server's own chain
  std::string bearer;  ///< sent as Authorization
  std::string client_cert, client_key;
  double timeout_s = 30;
  double connect_timeout_s = 10;
  /// Once true, a body that is on its way is given up where it is; null: nobody will want that. Set by any
  /// thread.
  std::shared_ptr<const std::atomic<bool>> stop;
  bool refuse_inward = false;  ///< never connect to loopback or link-local, whatever a name resolves to
};

/// One connection, kept alive, to one HTTPS server; certificates are always verified. Not thread-safe: one a
/// thread.
class HttpClient {
 public:
  static Result<std::unique_ptr<HttpClient>> open(const ClientOptions& options);
  virtual ~HttpClient() = default;

  using Headers = std::vector<std::pair<std::string, std::string>>;
  static constexpr double kNoLimit = -1;
  /// An answer of any status is a result; errors are those of the network and of TLS. Given up after
  /// `timeout_s` (0: as the options say; kNoLimit: never), or when no byte has moved for `stall_s` (0: not
  /// looked at).
  virtual Result<Answer> request(const std::string& method, const std::string& path,
                                 std::string_view body = {}, const Headers& headers = {},
                                 double timeout_s = 0, double stall_s = 0) = 0;
  /// The body goes to `sink` as it arrives, as long as it returns true.
  virtual Result<Answer> stream(const std::string& path, const Headers& headers, double timeout_s,
                                std::function<bool(std::string_view)> sink) = 0;
  /// The same for files of any size: no limit of time as long as something arrives at least every `stall_s`.
  /// `sink` sees the status and the headers with each piece, so that it can tell an error's text from the
  /// file.
  using FileSink = std::function<bool(const Answer&, std::string_view)>;
  virtual Result<Answer> download(const std::string& path, const Headers& headers, double stall_s,
                                  FileSink sink) = 0;
};

/// The PEM of the authority whose public key has this pin, taken from the chain that the server shows. It
/// proves nothing about the server: the caller verifies the connection against it afterwards.
Result<std::string> find_pinned_ca(const std::string& host, const std::string& port, const std::string& pin);

}  // namespace ffrtmp::client

#include "net/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "net/connections.h"
#include "net/hangup.h"
#include "net/pool.h"
#include "net/tls_identity.h"
#include "sys/text.h"

namespace ffrtmp::net {

namespace {

// libmicrohttpd's certificate callback carries no pointer of ours; a process has one TLS server.
TlsIdentity* g_identity = nullptr;

int retrieve_certificate(gnutls_session_t, const gnutls_datum_t*, int, const gnutls_pk_algorithm_t*, int,
                         gnutls_pcert_st** chain, unsigned* length, gnutls_privkey_t* key) {
  g_identity->current(chain, length, key);
  return 0;
}

constexpr size_t kStreamBacklog = 4u << 20;

/// What a stream's pushers and libmicrohttpd's reader share.
class StreamState final : public Stream {
 public:
  explicit StreamState(MHD_Connection* connection) : connection_(connection) {}

  bool push(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    if (dead_ || closed_) return false;
    if (buffer_.size() + text.size() > kStreamBacklog) {
      closed_ = true;  // it reads too slowly: it may come back with its cursor
    } else {
      buffer_ += text;
    }
    resume();
    return !closed_;
  }

  void close() override {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    if (!dead_) resume();
  }

  ssize_t read(char* into, size_t most) {
    const std::lock_guard lock(mutex_);
    if (buffer_.empty()) {
      if (closed_) return MHD_CONTENT_READER_END_OF_STREAM;
      parked_ = true;
      MHD_suspend_connection(connection_);
      return 0;
    }
    const size_t count = std::min(most, buffer_.size());
    std::memcpy(into, buffer_.data(), count);
    buffer_.erase(0, count);
    return static_cast<ssize_t>(count);
  }

  void die() {
    const std::lock_guard lock(mutex_);
    dead_ = true;
  }

 private:
  void resume() {
    if (!parked_) return;
    parked_ = false;
    MHD_resume_connection(connection_);
  }
  std::mutex mutex_;
  MHD_Connection* connection_;
  std::string buffer_;
  bool parked_ = false, closed_ = false, dead_ = false;
};

class HttpServer;

class ExchangeImpl final : public Exchange {
 public:
  ExchangeImpl(HttpServer* server, MHD_Connection* connection) : server_(server), connection_(connection) {}
  void respond(Response response) override;
  bool claim_connection(const std::string& owner, size_t most) override;
  void on_gone(std::function<void()> action) override;
  bool gone() override;

  enum class Step { headers, handling, answered };
  std::atomic<Step> step = Step::headers;
  std::unique_ptr<Response>
      response;  ///< made when it is there: most exchanges are polls that wait for theirs
  Connection* watched = nullptr;
  size_t counted = 0;  ///< bytes of the body in the server's total
  bool too_large = false, bad_length = false;
  std::shared_ptr<StreamState> stream;

 private:
  HttpServer* server_;
  MHD_Connection* connection_;
  std::mutex once_;
  uint64_t hangup_ = 0;  ///< ticket of the watch; under `once_`
  friend class HttpServer;
};

class HttpServer final : public Server {
 public:
  HttpServer(const ServerOptions& options, Handler handler)
      : options_(options),
        handler_(std::move(handler)),
        connections_(options.header_ms, options.body_ms, options.idle_ms) {}

  ~HttpServer() override {
    connections_.stop();
    hangups_.stop();
    if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
    pool_.reset();
    if (g_identity == &identity_) g_identity = nullptr;
  }

  Status start() {
    TRY_OK(listen());
    unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    std::vector<MHD_OptionItem> extra;
    const auto add = [&](MHD_OPTION option, intptr_t number, const void* pointer = nullptr) {
      extra.push_back({option, number, const_cast<void*>(pointer)});
    };
    add(MHD_OPTION_LISTEN_SOCKET, fd_);
    add(MHD_OPTION_CONNECTION_LIMIT, static_cast<intptr_t>(options_.most_connections));
    add(MHD_OPTION_CONNECTION_TIMEOUT, static_cast<intptr_t>(std::max<int64_t>(1, options_.idle_ms / 1000)));
    // Each parked poll holds it: enough for 5 KB of header, and no more.
    add(MHD_OPTION_CONNECTION_MEMORY_LIMIT, 6 * 1024);
    add(MHD_OPTION_CONNECTION_MEMORY_INCREMENT, 1024);
    add(MHD_OPTION_STRICT_FOR_CLIENT, 1);
    if (options_.io_threads > 1) add(MHD_OPTION_THREAD_POOL_SIZE, options_.io_threads);
    if (options_.most_per_address != 0)
      add(MHD_OPTION_PER_IP_CONNECTION_LIMIT, static_cast<intptr_t>(options_.most_per_address));
    if (!options_.certificate.empty()) {
      TRY_OK(identity_.load(options_.certificate, options_.key));
      g_identity = &identity_;
      flags |= MHD_USE_TLS;
      add(MHD_OPTION_HTTPS_PRIORITIES, 0,
          "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-AES-128-CBC:-AES-256-CBC:-RSA:%SERVER_PRECEDENCE");
      add(MHD_OPTION_HTTPS_CERT_CALLBACK, 0, reinterpret_cast<const void*>(&retrieve_certificate));
      if (!options_.client_ca.empty()) add(MHD_OPTION_HTTPS_MEM_TRUST, 0, options_.client_ca.c_str());
    }
    extra.push_back({MHD_OPTION_END, 0, nullptr});
    TRY_OK(hangups_.start());
    pool_ = std::make_unique<Pool>(options_.worker_threads);
    daemon_ = MHD_start_daemon(
        flags, 0, nullptr, nullptr, &HttpServer::on_access, this, MHD_OPTION_EXTERNAL_LOGGER,
        &HttpServer::on_log, this, MHD_OPTION_ARRAY, extra.data(), MHD_OPTION_UNESCAPE_CALLBACK,
        &HttpServer::unescape, this, MHD_OPTION_NOTIFY_COMPLETED, &HttpServer::on_completed, this,
        MHD_OPTION_NOTIFY_CONNECTION, &HttpServer::on_connection, this, MHD_OPTION_END);
    started_ = true;
    if (daemon_ == nullptr)
      return sys_error("starting the HTTP server on", options_.host, EINVAL, complaint_);
    connections_.start();
    return {};
  }

  uint16_t port() const override { return port_; }
  size_t connections() const override { return connections_.count(); }
  size_t open_requests() const override { return open_; }
  size_t busy_connections() const override { return connections_.busy(); }
  void quiesce() override {
    const MHD_socket fd = MHD_quiesce_daemon(daemon_);
    if (fd != MHD_INVALID_SOCKET) ::close(fd);
  }
  Status reload_certificate(const std::string& certificate, const std::string& key) override {
    return identity_.load(certificate, key);
  }

 private:
  friend class ExchangeImpl;

  Status listen() {
    fd_ = options_.listen_fd;
    if (fd_ < 0) {
      addrinfo hints{};
      hints.ai_socktype = SOCK_STREAM;
      hints.ai_flags = AI_PASSIVE;
      addrinfo* found = nullptr;
      const std::string port = std::to_string(options_.port);
      if (const int code = ::getaddrinfo(options_.host.c_str(), port.c_str(), &hints, &found); code != 0)
        return bad_input("cannot listen on", options_.host, gai_strerror(code));
      const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
      Fd socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      const int on = 1;
      ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      if (::bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(socket.get(), 4096) != 0)
        return sys_error("listening on", options_.host + ":" + port);
      fd_ = socket.release();
    }
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size);
    port_ = ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&name)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&name)->sin_port);
    return {};
  }

  // While it starts, what libmicrohttpd says is the reason of a failure. Later it reports every handshake
  // that a port scanner spoils, and our own log says what matters.
  static void on_log(void* cls, const char* format, va_list arguments) {
    auto* self = static_cast<HttpServer*>(cls);
    if (self->started_) return;
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    self->complaint_ = trim(text);
  }

  static void on_connection(void* cls, MHD_Connection* connection, void** context,
                            MHD_ConnectionNotificationCode code) {
    auto* self = static_cast<HttpServer*>(cls);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
      const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
      const int fd = info == nullptr ? -1 : info->connect_fd, on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      *context = self->connections_.add(fd);
    } else {
      self->connections_.remove(static_cast<Connection*>(*context));
      *context = nullptr;
    }
  }

  /// Percent-decodes in place. A zero byte would end the text early and hide what follows: it becomes a
  /// control character, which no name may hold.
  static size_t unescape(void*, MHD_Connection*, char* text) {
    const auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    char* out = text;
    for (const char* in = text; *in != '\0'; in++) {
      if (*in == '%' && digit(in[1]) >= 0 && digit(in[2]) >= 0) {
        const int byte = digit(in[1]) * 16 + digit(in[2]);
        *out++ = byte == 0 ? '\x01' : static_cast<char>(byte);
        in += 2;
      } else {
        *out++ = *in;
      }
    }
    *out = '\0';
    return static_cast<size_t>(out - text);
  }

  static MHD_Result collect(void* cls, MHD_ValueKind kind, const char* key, const char* value) {
    auto& request = *static_cast<Request*>(cls);
    std::string name(key);
    if (kind == MHD_HEADER_KIND)
      std::ranges::transform(name, name.begin(),
                             [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    (kind == MHD_HEADER_KIND ? request.headers : request.query)
        .emplace_back(std::move(name), value == nullptr ? "" : value);
    return MHD_YES;
  }

  void read_client_certificate(MHD_Connection* connection, Request& request) {
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info == nullptr) return;
    auto* session = static_cast<gnutls_session_t>(info->tls_session);
    unsigned status = 1;
    if (gnutls_certificate_verify_peers2(session, &status) != 0 || status != 0) return;
    unsigned count = 0;
    const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
    if (chain == nullptr || count == 0) return;
    gnutls_x509_crt_t certificate = nullptr;
    gnutls_x509_crt_init(&certificate);
    if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) == 0) {
      char name[256];
      size_t size = sizeof name;
      if (gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size) == 0)
        request.client_name.assign(name, size);
      request.client_verified = true;
    }
    gnutls_x509_crt_deinit(certificate);
  }

  static MHD_Result on_access(void* cls, MHD_Connection* connection, const char* url, const char* method,
                              const char*, const char* data, size_t* size, void** context) {
    auto* self = static_cast<HttpServer*>(cls);
    if (*context == nullptr) return self->begin(connection, url, method, context);
    auto& exchange = **static_cast<std::shared_ptr<ExchangeImpl>*>(*context);
    switch (exchange.step.load()) {
      case ExchangeImpl::Step::headers:
        if (*size > 0) {
          self->take_body(exchange, {data, *size});
          *size = 0;
          return MHD_YES;
        }
        return self->dispatch(connection, *static_cast<std::shared_ptr<ExchangeImpl>*>(*context));
      case ExchangeImpl::Step::handling:
        return MHD_YES;  // resumed for another reason: the answer is not there yet
      case ExchangeImpl::Step::answered: return self->queue(connection, exchange);
    }
    return MHD_NO;
  }

  MHD_Result begin(MHD_Connection* connection, const char* url, const char* method, void** context) {
    auto exchange = std::make_shared<ExchangeImpl>(this, connection);
    Request& request = exchange->request;
    request.method = method;
    request.path = url;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, &HttpServer::collect, &request);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &HttpServer::collect, &request);
    if (const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)) {
      char text[INET6_ADDRSTRLEN] = {};
      const sockaddr* address = info->client_addr;
      if (address->sa_family == AF_INET)
        ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
      else if (address->sa_family == AF_INET6)
        ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof text);
      request.peer = text;
    }
    if (const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT))
      exchange->watched = static_cast<Connection*>(info->socket_context);
    if (!options_.client_ca.empty()) read_client_certificate(connection, request);
    connections_.enter(exchange->watched, Connection::Phase::body);
    open_++;
    *context = new std::shared_ptr<ExchangeImpl>(exchange);
    const std::string& length = request.header("content-length");
    if (!length.empty()) {
      const auto count = parse_u64(length);
      if (count && *count > options_.most_body) {
        // Before the body is sent: with "Expect: 100-continue" it never is.
        Response refused;
        refused.status = 413;
        refused.type = "application/problem+json";
        refused.body =
            R"({"type":"about:blank","title":"Content Too Large","status":413,"detail":"a body may have at most )" +
            std::to_string(options_.most_body) + " bytes\"}\n";
        refused.close = true;
        exchange->response = std::make_unique<Response>(std::move(refused));
        exchange->step = ExchangeImpl::Step::answered;
        return queue(connection, *exchange);
      }
      if (count) request.body.reserve(*count);
    }
    return MHD_YES;
  }

  void take_body(ExchangeImpl& exchange, std::string_view data) {
    if (exchange.too_large) return;
    exchange.counted += data.size();
    body_total_ += data.size();
    if (exchange.request.body.size() + data.size() > options_.most_body ||
        body_total_ > options_.most_body_total) {
      exchange.too_large = true;
      exchange.request.body.clear();
      exchange.request.body.shrink_to_fit();
      return;
    }
    exchange.request.body += data;
  }

  MHD_Result dispatch(MHD_Connection* connection, const std::shared_ptr<ExchangeImpl>& exchange) {
    connections_.enter(exchange->watched, Connection::Phase::handling);
    exchange->step = ExchangeImpl::Step::handling;
    // Suspended before anybody can answer, so that the answer's resume is never too early.
    MHD_suspend_connection(connection);
    if (exchange->too_large) {
      Response refused;
      refused.status = 413;
      refused.type = "application/problem+json";
      refused.body = R"({"type":"about:blank","title":"Content Too Large","status":413})"
                     "\n";
      refused.close = true;
      exchange->respond(std::move(refused));
      return MHD_YES;
    }
    if (options_.at_once && options_.at_once(exchange->request))
      handler_(exchange);
    else
      pool_->post([this, exchange] { handler_(exchange); });
    return MHD_YES;
  }

  static ssize_t read_stream(void* cls, uint64_t, char* into, size_t most) {
    return (*static_cast<std::shared_ptr<StreamState>*>(cls))->read(into, most);
  }
  static void free_stream(void* cls) {
    auto* stream = static_cast<std::shared_ptr<StreamState>*>(cls);
    (*stream)->die();
    delete stream;
  }

  MHD_Result queue(MHD_Connection* connection, ExchangeImpl& exchange) {
    Response& response = *exchange.response;
    MHD_Response* raw = nullptr;
    if (response.stream) {
      exchange.stream = std::make_shared<StreamState>(connection);
      raw = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024, &HttpServer::read_stream,
                                              new std::shared_ptr<StreamState>(exchange.stream),
                                              &HttpServer::free_stream);
    } else if (response.file) {
      // libmicrohttpd closes the descriptor that it is given.
      raw = MHD_create_response_from_fd_at_offset64(
          response.file_size, ::fcntl(response.file->get(), F_DUPFD_CLOEXEC, 3), response.file_offset);
    } else {
      raw =
          MHD_create_response_from_buffer(response.body.size(), response.body.data(), MHD_RESPMEM_PERSISTENT);
    }
    if (raw == nullptr) return MHD_NO;
    if (!response.type.empty()) MHD_add_response_header(raw, "Content-Type", response.type.c_str());
    for (const auto& [name, value] : response.headers)
      MHD_add_response_header(raw, name.c_str(), value.c_str());
    if (response.close) MHD_add_response_header(raw, "Connection", "close");
    const MHD_Result result = MHD_queue_response(connection, static_cast<unsigned>(response.status), raw);
    MHD_destroy_response(raw);
    if (response.stream && result == MHD_YES) {
      auto stream = exchange.stream;
      auto begin = std::move(response.stream);
      pool_->post([stream, begin = std::move(begin)] { begin(stream); });
    }
    return result;
  }

  static void on_completed(void* cls, MHD_Connection*, void** context, MHD_RequestTerminationCode) {
    auto* self = static_cast<HttpServer*>(cls);
    if (*context == nullptr) return;
    auto* holder = static_cast<std::shared_ptr<ExchangeImpl>*>(*context);
    self->body_total_ -= (*holder)->counted;
    self->connections_.enter((*holder)->watched, Connection::Phase::idle);
    self->open_--;
    delete holder;
    *context = nullptr;
  }

  ServerOptions options_;
  Handler handler_;
  TlsIdentity identity_;
  HangupWatch hangups_;
  std::unique_ptr<Pool> pool_;
  MHD_Daemon* daemon_ = nullptr;
  int fd_ = -1;
  uint16_t port_ = 0;
  std::string complaint_;
  std::atomic<bool> started_ = false;
  Connections connections_;
  std::atomic<size_t> open_ = 0, body_total_ = 0;
};

bool ExchangeImpl::claim_connection(const std::string& owner, size_t most) {
  return watched == nullptr || server_->connections_.claim(*watched, owner, most);
}

// libmicrohttpd does not look at a connection that is suspended, and does not close it either: until the
// answer resumes it, the descriptor is the client's.
void ExchangeImpl::on_gone(std::function<void()> action) {
  const std::lock_guard lock(once_);
  if (step == Step::handling && hangup_ == 0 && watched != nullptr)
    hangup_ = server_->hangups_.add(watched->fd, std::move(action));
}

bool ExchangeImpl::gone() {
  const std::lock_guard lock(once_);
  return step == Step::handling && watched != nullptr && HangupWatch::gone(watched->fd);
}

void ExchangeImpl::respond(Response answer) {
  const std::lock_guard lock(once_);
  if (step != Step::handling) return;
  if (hangup_ != 0) server_->hangups_.remove(watched->fd, hangup_);
  response = std::make_unique<Response>(std::move(answer));
  step = Step::answered;
  // The connection stays until it is resumed, and must not be touched afterwards.
  MHD_resume_connection(connection_);
}

}  // namespace

const std::string& Request::header(std::string_view name) const {
  static const std::string kNone;
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return kNone;
}

std::optional<std::string> Request::param(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return std::nullopt;
}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Handler handler) {
  auto server = std::make_unique<HttpServer>(options, std::move(handler));
  TRY_OK(server->start());
  return server;
}

}  // namespace ffrtmp::net

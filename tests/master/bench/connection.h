#pragma once

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include "sys/fd.h"
#include "sys/json.h"

namespace ffrtmp::bench {

struct Target {
  uint16_t port = 0;
  std::string key;
  gnutls_certificate_credentials_t trust = nullptr;
};

/// A kept-alive TLS connection to a master, verified against its authority. Failures are exceptions.
class Connection {
 public:
  Connection(const Target& target, std::string token) : target_(target), token_(std::move(token)) { dial(); }
  ~Connection() {
    if (session_ != nullptr) gnutls_deinit(session_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int status = 0;  ///< of the last answer

  void send(const char* method, const std::string& path, const std::string& body) {
    std::string text =
        std::string(method) + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token_ +
        "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
        body;
    for (size_t at = 0; at < text.size();) {
      const ssize_t sent = gnutls_record_send(session_, text.data() + at, text.size() - at);
      if (sent < 0) fail("sending", static_cast<int>(sent));
      at += static_cast<size_t>(sent);
    }
  }
  std::string receive() {
    size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) more();
    const size_t length_at = buffer_.find("Content-Length: ");
    const size_t length = length_at < end ? std::stoul(buffer_.substr(length_at + 16)) : 0;
    while (buffer_.size() < end + 4 + length) more();
    status = std::stoi(buffer_.substr(9, 3));
    std::string body = buffer_.substr(end + 4, length);
    buffer_.erase(0, end + 4 + length);
    return body;
  }
  Json ask(const char* method, const std::string& path, const Json& body) {
    send(method, path, body.dump());
    const std::string text = receive();
    if (status >= 300)
      throw std::runtime_error(std::string(method) + " " + path + ": " + std::to_string(status) + " " + text);
    return Json::parse(text);
  }

 private:
  [[noreturn]] static void fail(const std::string& what, int code) {
    throw std::runtime_error(what + ": " + gnutls_strerror(code));
  }
  void dial() {
    fd_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(target_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error(std::string("connect: ") + strerror(errno));
    gnutls_init(&session_, GNUTLS_CLIENT);
    gnutls_set_default_priority(session_);
    gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, target_.trust);
    gnutls_session_set_verify_cert(session_, "127.0.0.1", 0);
    gnutls_transport_set_int(session_, fd_.get());
    int code = 0;
    do code = gnutls_handshake(session_);
    while (code < 0 && gnutls_error_is_fatal(code) == 0);
    if (code < 0) fail("handshake", code);
  }
  void more() {
    char part[16384];
    const ssize_t got = gnutls_record_recv(session_, part, sizeof part);
    if (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED) return;
    if (got <= 0) fail("receiving", static_cast<int>(got));
    buffer_.append(part, static_cast<size_t>(got));
  }
  const Target& target_;
  std::string token_, buffer_;
  Fd fd_;
  gnutls_session_t session_ = nullptr;
};

}  // namespace ffrtmp::bench

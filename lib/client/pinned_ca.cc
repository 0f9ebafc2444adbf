#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "client/http_client.h"
#include "net/certificates.h"
#include "sys/fd.h"

namespace ffrtmp::client {

namespace {

Result<Fd> dial(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); code != 0)
    return bad_input("cannot resolve", host, gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
  int last = ECONNREFUSED;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    Fd fd(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{10, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (::connect(fd.get(), at->ai_addr, at->ai_addrlen) == 0) return fd;
    last = errno;
  }
  return sys_error("connecting to", host + ":" + port, last);
}

std::string to_pem(const gnutls_datum_t& der) {
  gnutls_x509_crt_t certificate = nullptr;
  gnutls_x509_crt_init(&certificate);
  std::string out;
  gnutls_datum_t pem{};
  if (gnutls_x509_crt_import(certificate, &der, GNUTLS_X509_FMT_DER) == 0 &&
      gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem) == 0) {
    out.assign(reinterpret_cast<char*>(pem.data), pem.size);
    gnutls_free(pem.data);
  }
  gnutls_x509_crt_deinit(certificate);
  return out;
}

}  // namespace

Result<std::string> find_pinned_ca(const std::string& host, const std::string& port, const std::string& pin) {
  if (!pin.starts_with("sha256:") || pin.size() != 71)
    return bad_input("not a pin:", pin.substr(0, 80),
                     "give sha256: and 64 hex digits, as the master printed them");
  TRY(const Fd fd, dial(host, port));
  gnutls_certificate_credentials_t credentials = nullptr;
  gnutls_certificate_allocate_credentials(&credentials);
  gnutls_session_t session = nullptr;
  gnutls_init(&session, GNUTLS_CLIENT);
  gnutls_set_default_priority(session);
  gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
  gnutls_server_name_set(session, GNUTLS_NAME_DNS, host.data(), host.size());
  gnutls_transport_set_int(session, fd.get());
  int code = 0;
  do code = gnutls_handshake(session);
  while (code < 0 && gnutls_error_is_fatal(code) == 0 && code != GNUTLS_E_AGAIN);
  std::string found;
  if (code >= 0) {
    unsigned count = 0;
    const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
    for (unsigned i = 0; i < count && found.empty(); i++) {
      const std::string pem = to_pem(chain[i]);
      const auto here = net::public_key_pin(pem);
      if (here && *here == pin) found = pem;
    }
  }
  gnutls_deinit(session);
  gnutls_certificate_free_credentials(credentials);
  if (code < 0) return sys_error("TLS with", host + ":" + port, EPROTO, gnutls_strerror(code));
  if (found.empty())
    return bad_input("no certificate with the pin at", host + ":" + port,
                     "the server is another one, or its authority has changed");
  return found;
}

}  // namespace ffrtmp::client

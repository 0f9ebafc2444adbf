#include "net/tls_identity.h"

namespace ffrtmp::net {

namespace {
gnutls_datum_t datum(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
          static_cast<unsigned>(text.size())};
}
}  // namespace

TlsIdentity::~TlsIdentity() {
  for (Pair& pair : pairs_) {
    for (auto& one : pair.chain) gnutls_pcert_deinit(&one);
    gnutls_privkey_deinit(pair.key);
  }
}

Status TlsIdentity::load(const std::string& certificate_pem, const std::string& key_pem) {
  const auto failed = [](const char* step, int code) {
    return sys_error(step, "", EINVAL, gnutls_strerror(code));
  };
  Pair pair;
  pair.chain.resize(8);
  auto length = static_cast<unsigned>(pair.chain.size());
  gnutls_datum_t data = datum(certificate_pem);
  if (const int code =
          gnutls_pcert_list_import_x509_raw(pair.chain.data(), &length, &data, GNUTLS_X509_FMT_PEM, 0);
      code < 0)
    return failed("reading the TLS certificate", code);
  pair.chain.resize(length);
  gnutls_privkey_init(&pair.key);
  data = datum(key_pem);
  int code = gnutls_privkey_import_x509_raw(pair.key, &data, GNUTLS_X509_FMT_PEM, nullptr, 0);
  if (code >= 0) {
    // A key of another certificate would fail every handshake, and only then.
    gnutls_pubkey_t own = nullptr;
    gnutls_pubkey_init(&own);
    code = gnutls_pubkey_import_privkey(own, pair.key, 0, 0);
    unsigned char a[32], b[32];
    size_t size_a = sizeof a, size_b = sizeof b;
    if (code >= 0) code = gnutls_pubkey_get_key_id(own, GNUTLS_KEYID_USE_SHA256, a, &size_a);
    if (code >= 0) code = gnutls_pubkey_get_key_id(pair.chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, b, &size_b);
    gnutls_pubkey_deinit(own);
    if (code >= 0 && std::string_view(reinterpret_cast<char*>(a), size_a) !=
                         std::string_view(reinterpret_cast<char*>(b), size_b))
      code = GNUTLS_E_CERTIFICATE_KEY_MISMATCH;
  }
  if (code < 0) {
    for (auto& one : pair.chain) gnutls_pcert_deinit(&one);
    gnutls_privkey_deinit(pair.key);
    return failed("reading the TLS key", code);
  }
  const std::lock_guard lock(mutex_);
  pairs_.push_back(std::move(pair));
  return {};
}

void TlsIdentity::current(gnutls_pcert_st** chain, unsigned* length, gnutls_privkey_t* key) {
  const std::lock_guard lock(mutex_);
  Pair& pair = pairs_.back();
  *chain = pair.chain.data();
  *length = static_cast<unsigned>(pair.chain.size());
  *key = pair.key;
}

}  // namespace ffrtmp::net

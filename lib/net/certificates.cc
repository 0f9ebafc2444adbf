#include "net/certificates.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <sys/random.h>

#include <ctime>
#include <memory>

#include "net/digest.h"
#include "sys/file.h"

namespace ffrtmp::net {

namespace {

constexpr int64_t kDay = 86'400;

struct Certificate {
  gnutls_x509_crt_t raw = nullptr;
  Certificate() { gnutls_x509_crt_init(&raw); }
  ~Certificate() { gnutls_x509_crt_deinit(raw); }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;
};
struct PrivateKey {
  gnutls_x509_privkey_t raw = nullptr;
  PrivateKey() { gnutls_x509_privkey_init(&raw); }
  ~PrivateKey() { gnutls_x509_privkey_deinit(raw); }
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;
};

Status check(int code, const char* step) {
  if (code >= 0) return {};
  return sys_error(step, "", EINVAL, gnutls_strerror(code));
}

gnutls_datum_t datum(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
          static_cast<unsigned>(text.size())};
}

Status import_certificate(Certificate& certificate, const std::string& pem) {
  const gnutls_datum_t data = datum(pem);
  return check(gnutls_x509_crt_import(certificate.raw, &data, GNUTLS_X509_FMT_PEM), "reading a certificate");
}

std::string take(gnutls_datum_t data) {
  std::string out(reinterpret_cast<char*>(data.data), data.size);
  gnutls_free(data.data);
  return out;
}

Status fill(Certificate& certificate, const PrivateKey& key, const std::string& name, int64_t days) {
  TRY_OK(check(gnutls_x509_privkey_generate(key.raw, GNUTLS_PK_ECDSA,
                                            GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
               "making a key"));
  unsigned char serial[16];
  if (::getrandom(serial, sizeof serial, 0) != sizeof serial) return sys_error("reading random bytes", "");
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 1);  // positive, and no leading zero
  const time_t now = ::time(nullptr);
  gnutls_x509_crt_set_version(certificate.raw, 3);
  gnutls_x509_crt_set_serial(certificate.raw, serial, sizeof serial);
  gnutls_x509_crt_set_activation_time(certificate.raw, now - kDay);  // nodes' clocks differ
  gnutls_x509_crt_set_expiration_time(certificate.raw, now + days * kDay);
  TRY_OK(check(gnutls_x509_crt_set_dn_by_oid(certificate.raw, GNUTLS_OID_X520_COMMON_NAME, 0, name.data(),
                                             static_cast<unsigned>(name.size())),
               "naming a certificate"));
  TRY_OK(check(gnutls_x509_crt_set_key(certificate.raw, key.raw), "setting a key"));
  unsigned char id[64];
  size_t size = sizeof id;
  TRY_OK(check(gnutls_x509_crt_get_key_id(certificate.raw, GNUTLS_KEYID_USE_SHA1, id, &size),
               "reading a key id"));
  return check(gnutls_x509_crt_set_subject_key_id(certificate.raw, id, size), "setting a key id");
}

Result<KeyPair> export_pair(const Certificate& certificate, const PrivateKey& key) {
  gnutls_datum_t out{};
  TRY_OK(check(gnutls_x509_crt_export2(certificate.raw, GNUTLS_X509_FMT_PEM, &out), "writing a certificate"));
  KeyPair pair;
  pair.certificate = take(out);
  TRY_OK(
      check(gnutls_x509_privkey_export2_pkcs8(key.raw, GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, &out),
            "writing a key"));
  pair.key = take(out);
  return pair;
}

}  // namespace

Result<KeyPair> make_ca(const std::string& name) {
  Certificate certificate;
  PrivateKey key;
  TRY_OK(fill(certificate, key, name, 3650));
  gnutls_x509_crt_set_basic_constraints(certificate.raw, 1, 0);
  gnutls_x509_crt_set_key_usage(certificate.raw, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
  TRY_OK(check(gnutls_x509_crt_sign2(certificate.raw, certificate.raw, key.raw, GNUTLS_DIG_SHA256, 0),
               "signing"));
  return export_pair(certificate, key);
}

Result<KeyPair> make_server(const KeyPair& ca, const std::vector<std::string>& names) {
  Certificate issuer;
  TRY_OK(import_certificate(issuer, ca.certificate));
  PrivateKey issuer_key;
  const gnutls_datum_t key_data = datum(ca.key);
  TRY_OK(check(gnutls_x509_privkey_import2(issuer_key.raw, &key_data, GNUTLS_X509_FMT_PEM, nullptr, 0),
               "reading the CA's key"));
  Certificate certificate;
  PrivateKey key;
  TRY_OK(fill(certificate, key, names.empty() ? "ffrtmp-master" : names[0].substr(0, 64), 397));
  gnutls_x509_crt_set_basic_constraints(certificate.raw, 0, -1);
  gnutls_x509_crt_set_key_usage(certificate.raw, GNUTLS_KEY_DIGITAL_SIGNATURE);
  gnutls_x509_crt_set_key_purpose_oid(certificate.raw, GNUTLS_KP_TLS_WWW_SERVER, 0);
  for (const std::string& name : names) {
    unsigned char address[16];
    const bool v4 = ::inet_pton(AF_INET, name.c_str(), address) == 1;
    const bool v6 = !v4 && ::inet_pton(AF_INET6, name.c_str(), address) == 1;
    const int code = v4 || v6 ? gnutls_x509_crt_set_subject_alt_name(certificate.raw, GNUTLS_SAN_IPADDRESS,
                                                                     address, v4 ? 4 : 16, GNUTLS_FSAN_APPEND)
                              : gnutls_x509_crt_set_subject_alt_name(
                                    certificate.raw, GNUTLS_SAN_DNSNAME, name.data(),
                                    static_cast<unsigned>(name.size()), GNUTLS_FSAN_APPEND);
    TRY_OK(check(code, "naming a certificate"));
  }
  unsigned char id[64];
  size_t size = sizeof id;
  if (gnutls_x509_crt_get_subject_key_id(issuer.raw, id, &size, nullptr) == 0)
    gnutls_x509_crt_set_authority_key_id(certificate.raw, id, size);
  TRY_OK(check(gnutls_x509_crt_sign2(certificate.raw, issuer.raw, issuer_key.raw, GNUTLS_DIG_SHA256, 0),
               "signing"));
  TRY(KeyPair pair, export_pair(certificate, key));
  pair.certificate += ca.certificate;
  return pair;
}

Result<std::string> public_key_pin(const std::string& pem) {
  Certificate certificate;
  TRY_OK(import_certificate(certificate, pem));
  unsigned char id[32];
  size_t size = sizeof id;
  // GnuTLS's SHA-256 key id is the digest of the DER SubjectPublicKeyInfo.
  TRY_OK(check(gnutls_x509_crt_get_key_id(certificate.raw, GNUTLS_KEYID_USE_SHA256, id, &size),
               "reading a key id"));
  return "sha256:" + hex({reinterpret_cast<char*>(id), size});
}

Result<int64_t> seconds_left(const std::string& pem) {
  Certificate certificate;
  TRY_OK(import_certificate(certificate, pem));
  return gnutls_x509_crt_get_expiration_time(certificate.raw) - ::time(nullptr);
}

bool covers(const std::string& pem, const std::vector<std::string>& names) {
  Certificate certificate;
  if (!import_certificate(certificate, pem)) return false;
  for (const auto& name : names)
    if (gnutls_x509_crt_check_hostname(certificate.raw, name.c_str()) == 0) return false;
  return true;
}

Status check_authorities(const std::string& pem) {
  gnutls_x509_crt_t* list = nullptr;
  unsigned count = 0;
  const gnutls_datum_t data = datum(pem);
  TRY_OK(check(gnutls_x509_crt_list_import2(&list, &count, &data, GNUTLS_X509_FMT_PEM, 0),
               "reading certificates"));
  bool all = count > 0;
  for (unsigned i = 0; i < count; i++) {
    unsigned critical = 0;
    all = all && gnutls_x509_crt_get_ca_status(list[i], &critical) > 0;
    gnutls_x509_crt_deinit(list[i]);
  }
  gnutls_free(list);
  if (!all) return sys_error("a certificate in it is not an authority's", "", EINVAL);
  return {};
}

Result<OwnTls> own_tls(const std::string& dir, const std::vector<std::string>& names) {
  TRY_OK(make_dirs(dir, 0700));
  OwnTls out{dir + "/ca.crt", dir + "/server.crt", dir + "/server.key", "", false};
  const std::string ca_key = dir + "/ca.key";
  KeyPair ca;
  if (!exists_at(AT_FDCWD, out.ca_file)) {
    TRY(ca, make_ca("ffrtmp master CA"));
    TRY_OK(write_atomic(AT_FDCWD, ca_key, ca.key, 0600));
    TRY_OK(write_atomic(AT_FDCWD, out.ca_file, ca.certificate, 0644));
    out.made_ca = true;
  } else {
    TRY(ca.certificate, read_file(out.ca_file));
    TRY(ca.key, read_file(ca_key));
  }
  TRY(out.pin, public_key_pin(ca.certificate));
  const auto current = read_file(out.certificate_file);
  const auto left = current ? seconds_left(*current) : Result<int64_t>(0);
  if (out.made_ca || !current || !left || *left < 132 * kDay || !covers(*current, names)) {
    TRY(const KeyPair server, make_server(ca, names));
    TRY_OK(write_atomic(AT_FDCWD, out.key_file, server.key, 0600));
    TRY_OK(write_atomic(AT_FDCWD, out.certificate_file, server.certificate, 0644));
  }
  return out;
}

}  // namespace ffrtmp::net

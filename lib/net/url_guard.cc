#include "net/url_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace ffrtmp::net {

namespace {
bool inward_v4(uint32_t host_order) {
  const uint32_t a = host_order >> 24;
  return a == 0 || a == 127 || (host_order >> 16) == 0xA9FE || a >= 224 ||
         host_order == 0x646464C8;  // 100.100.100.200, a cloud's metadata service outside link-local
}

bool inward_v6(const in6_addr& address) {
  if (IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_UNSPECIFIED(&address) ||
      IN6_IS_ADDR_LINKLOCAL(&address) || IN6_IS_ADDR_MULTICAST(&address))
    return true;
  uint32_t last = 0;
  std::memcpy(&last, address.s6_addr + 12, 4);
  static const unsigned char kNat64[12] = {0, 0x64, 0xff, 0x9b};
  if (IN6_IS_ADDR_V4MAPPED(&address) || IN6_IS_ADDR_V4COMPAT(&address) ||
      std::memcmp(address.s6_addr, kNat64, sizeof kNat64) == 0)
    return inward_v4(ntohl(last));
  static const unsigned char kMetadata[16] = {0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54};
  return std::memcmp(address.s6_addr, kMetadata, sizeof kMetadata) == 0;
}
}  // namespace

bool points_inward(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    return inward_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address->sa_family != AF_INET6) return true;
  sockaddr_in6 v6{};
  std::memcpy(&v6, address, sizeof v6);
  return inward_v6(v6.sin6_addr);
}

std::string url_host(const std::string& url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) return "";
  std::string authority = url.substr(scheme + 3);
  authority.resize(std::min(authority.find_first_of("/?#\\"), authority.size()));
  if (const size_t at = authority.rfind('@'); at != std::string::npos) authority.erase(0, at + 1);
  if (authority.starts_with("[")) return authority.substr(1, authority.find(']') - 1);
  authority.resize(std::min(authority.find(':'), authority.size()));
  while (authority.ends_with(".")) authority.pop_back();
  std::ranges::transform(authority, authority.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return authority;
}

Status check_outward(const std::string& url) {
  const std::string host = url_host(url);
  if (host.empty()) return {};
  const auto refuse = [&] {
    return bad_input("the URL points inward:", host,
                     "loopback, link-local and metadata addresses are refused unless allowed");
  };
  if (host == "localhost" || host.ends_with(".localhost") || host == "metadata" ||
      host == "metadata.google.internal" || host == "ip6-localhost" || host.find('%') != std::string::npos)
    return refuse();
  in_addr v4{};
  if (::inet_aton(host.c_str(), &v4) != 0 && inward_v4(ntohl(v4.s_addr))) return refuse();
  in6_addr v6{};
  if (::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && inward_v6(v6)) return refuse();
  return {};
}

}  // namespace ffrtmp::net

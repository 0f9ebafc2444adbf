#include "sys/host_port.h"

#include "sys/text.h"

namespace ffrtmp {

std::optional<HostPort> parse_host_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_u64(text.substr(colon + 1));
  if (!port || *port > UINT16_MAX) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.size() > 1 && host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return HostPort{std::string(host), static_cast<uint16_t>(*port)};
}

bool names_loopback(std::string_view host) {
  return host == "127.0.0.1" || host == "::1" || host == "localhost";
}

}  // namespace ffrtmp

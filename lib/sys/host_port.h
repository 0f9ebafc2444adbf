#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ffrtmp {

struct HostPort {
  std::string host;  ///< an IPv6 address without its brackets; may be empty
  uint16_t port = 0;
};
/// "HOST:PORT", "[ADDRESS]:PORT"; nullopt for anything else.
std::optional<HostPort> parse_host_port(std::string_view text);

/// Whether a host, as parsed, is this very machine by one of its fixed names.
bool names_loopback(std::string_view host);

}  // namespace ffrtmp

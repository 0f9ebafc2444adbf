#pragma once

#include <sys/socket.h>

#include <string>

#include "sys/result.h"

namespace ffrtmp::net {

/// Whether an address points back into this host or its link: loopback, unspecified, link-local (which holds
/// the clouds' metadata services), multicast, and their IPv4-in-IPv6 forms.
bool points_inward(const sockaddr* address);
/// The host of a URL ("" when it has none), without brackets.
std::string url_host(const std::string& url);
/// Refuses a URL whose host is such an address in any spelling (0x7f.1, 2130706433, [::ffff:127.0.0.1]) or a
/// name for one (localhost, *.localhost, metadata.google.internal). Other names are judged when they are
/// resolved. A text without a scheme is no URL and passes.
Status check_outward(const std::string& url);

}  // namespace ffrtmp::net

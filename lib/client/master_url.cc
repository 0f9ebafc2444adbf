#include "client/master_url.h"

#include "net/url_guard.h"
#include "sys/host_port.h"

namespace ffrtmp::client {

Status check_master_url(std::string& url) {
  while (url.ends_with("/")) url.pop_back();
  const bool secure = url.starts_with("https://");
  if (!secure && !url.starts_with("http://"))
    return bad_input("not the URL of a master:", url, "give https://HOST:PORT");
  const std::string authority = url.substr(url.find("://") + 3);
  if (authority.empty() || authority.find_first_of("/@?#\\ ") != std::string::npos)
    return bad_input("not the URL of a master:", url, "give https://HOST:PORT, without a path or user");
  if (!secure && !names_loopback(net::url_host(url)))
    return bad_input("not the URL of a master:", url, "it speaks https; plain http goes to loopback only");
  return {};
}

}  // namespace ffrtmp::client

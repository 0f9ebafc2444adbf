#include "client/master_url.h"

#include <doctest/doctest.h>

using namespace ffrtmp;

TEST_CASE("a key goes over TLS, and in clear text to loopback only") {
  const auto taken = [](std::string url) { return client::check_master_url(url).has_value(); };
  for (const char* url :
       {"https://master.example:8443", "https://master.example/", "https://[2001:db8::1]:8443",
        "http://127.0.0.1:8443", "http://localhost", "http://[::1]:80/"})
    CHECK_MESSAGE(taken(url), url);
  for (const char* url :
       {"http://master.example:8443", "http://localhost.example", "http://127.0.0.1.example:80",
        "http://127.0.0.10.example", "http://[2001:db8::1]", "http://localhost@example",
        "http://localhost\\@example", "http://example#localhost", "https://", "https://host/path",
        "https://user@host", "ftp://host", "host:80", ""})
    CHECK_MESSAGE(!taken(url), url);
  std::string url = "https://host//";
  REQUIRE(client::check_master_url(url));
  CHECK(url == "https://host");
}

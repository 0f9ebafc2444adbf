// What strangers send: the parsers must refuse it in words, never fall over.
#include <doctest/doctest.h>

#include <random>

#include "net/digest.h"
#include "net/rate_limit.h"
#include "net/url_guard.h"
#include "queue/spec.h"
#include "store/events.h"
#include "store/jobs.h"

using namespace ffrtmp;

TEST_CASE("JSON of strangers: where it breaks, how deep it goes, what is not known") {
  CHECK(parse_strange_json("{\"a\":\n 1,}").error().object == "line 2, column 4");
  CHECK(!parse_strange_json(std::string(100'000, '[')));
  CHECK(parse_strange_json("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\""));
  CHECK(!parse_strange_json(""));
  FieldErrors errors;
  queue::read_spec(Json::parse(R"({"type":"t","prioritty":"high","require":{"core":1},"count":0})"),
                   "jobs[3]", errors);
  REQUIRE(errors.size() == 3);
  CHECK(errors[0].field == "jobs[3].require.core");
  CHECK(errors[2].detail == "is not known; did you mean \"priority\"?");
}

TEST_CASE("addresses that point inward, in every spelling") {
  for (const char* bad :
       {"http://127.0.0.1/", "http://0/", "http://0177.0.0.1/", "http://[::1]:8/", "http://[::ffff:7f00:1]/",
        "ftp://LOCALHOST/", "http://169.254.1.1", "http://[fe80::1]/", "rtmp://a@127.1/x",
        "http://localhost./", "http://[64:ff9b::7f00:1]/"})
    CHECK_MESSAGE(!net::check_outward(bad), bad);
  for (const char* good : {"http://example.com/127.0.0.1", "https://10.0.0.5/", "/local/path",
                           "rtmp://live.example/app/key", ""})
    CHECK_MESSAGE(net::check_outward(good), good);
}

TEST_CASE("ids are whole or nothing") {
  CHECK(store::seq_of("j17-abcdef") == 17);
  for (const char* bad : {"17", "j17", "j-abc", "j017-abc", "jx-abc", "j99999999999999999999-a", ""})
    CHECK_MESSAGE(store::seq_of(bad) == 0, bad);
}

TEST_CASE("a bucket empties and fills; open requests are counted") {
  net::RateLimit limit;
  limit.configure(10, 2, 1);
  CHECK(limit.take("k", 1000) == 0);
  CHECK(limit.take("k", 1000) == 0);
  CHECK(limit.take("k", 1000) == 100);
  CHECK(limit.take("other", 1000) == 0);
  CHECK(limit.take("k", 1200) == 0);
  CHECK(limit.enter("k"));
  CHECK(!limit.enter("k"));
  limit.leave("k");
  CHECK(limit.enter("k"));
}

TEST_CASE("digests") {
  CHECK(net::sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(net::hmac_sha256_hex("key", "The quick brown fox jumps over the lazy dog") ==
        "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
  CHECK(net::equal_in_constant_time("a", "a"));
  CHECK(!net::equal_in_constant_time("a", "ab"));
}

TEST_CASE("a hundred thousand broken requests are refused in words") {
  std::mt19937 rng(20261121);
  const std::string seed =
      R"({"type":"t","params":{"a":[1,2.5,"x",null,true]},"require":{"cores":1.5,"labels":{"k":"v"}},"not_before":"2026-01-31T08:15:30Z","inputs":[{"name":"a","size":1,"sha256":"00"}],"offline":{"replace":"after"}})";
  size_t taken = 0;
  for (int i = 0; i < 100'000; i++) {
    std::string text = seed;
    for (unsigned edits = 1 + rng() % 4; edits > 0; edits--) {
      const size_t at = rng() % text.size();
      switch (rng() % 4) {
        case 0: text[at] = static_cast<char>(rng()); break;
        case 1: text.erase(at, rng() % 8); break;
        case 2: text.insert(at, 1, "{}[]\",:0-e"[rng() % 10]); break;
        default: text.insert(at, text.substr(rng() % text.size(), rng() % 20));
      }
      if (text.empty()) text = "{";
    }
    const auto parsed = parse_strange_json(text);
    if (!parsed) continue;
    FieldErrors errors;
    const auto spec = queue::read_spec(*parsed, "", errors);
    (void)dump_json(queue::redacted(spec.document));
    (void)queue::offline_policy(spec.document);
    taken += errors.empty() ? 1 : 0;
  }
  CHECK(taken > 0);
}

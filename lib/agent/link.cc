#include "agent/link.h"

#include <sys/random.h>

#include <algorithm>

#include "sys/json_reader.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

Duration retry_after_of(const client::Answer& answer) {
  const auto seconds = parse_u64(trim(answer.header("retry-after")));
  return seconds ? std::chrono::seconds(std::min<uint64_t>(*seconds, 3600)) : Duration{};
}

/// What a stranger answered, in a few words.
std::string looks_like(const client::Answer& answer) {
  const std::string type = answer.header("content-type");
  const std::string start(trim(std::string_view(answer.body).substr(0, 200)));
  if (type.starts_with("text/html") || start.starts_with("<")) return "a web page";
  if (start.empty()) return "nothing";
  return "\"" + printable(start.substr(0, 40)) + "\"";
}

std::string problem_text(const Json& body) {
  std::string out = text_or(body, "detail", text_or(body, "title"));
  const Json& errors = at_or_null(body, "errors");
  if (errors.is_array() && !errors.empty())
    out += ": " + text_or(errors[0], "field") + " " + text_or(errors[0], "detail");
  return printable(redact_text(out.substr(0, 400)));
}

/// The same trouble in the same words, however long it took this time: it is told once.
std::string without_duration(std::string text) {
  constexpr std::string_view kAfter = " after ";
  const size_t begin = text.find(kAfter);
  if (begin == std::string::npos) return text;
  const size_t digits = begin + kAfter.size();
  const size_t unit = text.find_first_not_of("0123456789", digits);
  for (const std::string_view name : {" milliseconds", " ms"})
    if (unit != std::string::npos && unit > digits && text.compare(unit, name.size(), name) == 0)
      return text.erase(begin, unit + name.size() - begin);
  return text;
}

Reply trouble_of(const std::string& master, const Error& error) {
  Reply out;
  // What the TLS library says of certificates, in the words that libcurl and ours use.
  const std::string text = without_duration(error.message());
  const auto says = [&](const char* word) { return text.find(word) != std::string::npos; };
  const bool trust = says("certificate") || says("pin") || says("SSL") || says("TLS");
  out.trouble = trust ? Trouble::trust : Trouble::network;
  out.why = redact_text(text);
  if (says("expir")) out.why += " (see the clock of this host and the certificate of " + master + ")";
  return out;
}

}  // namespace

std::string Reply::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return "";
}

Reply judge_answer(const std::string& master, const client::Answer& answer,
                   const std::vector<std::string>& needed) {
  Reply out;
  out.status = answer.status;
  out.headers = answer.headers;
  out.retry_after = retry_after_of(answer);
  const auto parsed = parse_strange_json(answer.body);
  const bool object = parsed && parsed->is_object();
  if (object) out.body = *parsed;
  const bool good = answer.status >= 200 && answer.status < 300;
  const bool whole =
      object &&
      (!good || std::ranges::all_of(needed, [&](const auto& name) { return out.body.contains(name); }));
  if (!whole && answer.status != 429 && answer.status != 503 &&
      !(answer.status >= 500 && answer.status < 600)) {
    out.trouble = Trouble::garbage;
    out.why = master + " answered with " + (object ? "something else than was asked" : looks_like(answer)) +
              " (status " + std::to_string(answer.status) +
              "): is this a master, or does a proxy or a captive portal stand in between?";
    return out;
  }
  if (good) return out;
  out.trouble = answer.status == 401 || answer.status == 403 ? Trouble::key
                : answer.status == 429 || answer.status == 503 || answer.status == 507 ||
                        answer.status == 502 || answer.status == 504
                    ? Trouble::busy
                : answer.status >= 500 ? Trouble::failed
                                       : Trouble::refused;
  out.why =
      master + " answered " + std::to_string(answer.status) + (object ? ": " + problem_text(out.body) : "");
  return out;
}

Masters::Masters(const Options& options) : options_(options) {}

std::string Masters::current() const { return options_.masters[turn_ % options_.masters.size()]; }

void Masters::turn_on(size_t turn) { turn_.compare_exchange_strong(turn, turn + 1); }

void Masters::set_token(const std::string& node, const std::string& token) {
  const std::lock_guard lock(mutex_);
  node_ = node;
  token_ = token;
  epoch_++;
}

std::string Masters::node() const {
  const std::lock_guard lock(mutex_);
  return node_;
}

std::string Masters::token() const {
  const std::lock_guard lock(mutex_);
  return token_;
}

client::ClientOptions Masters::client_options(const std::string& bearer) const {
  client::ClientOptions out;
  out.base = current();
  out.ca_file = options_.ca_file;
  out.ca_pin = options_.ca_pin;
  out.client_cert = options_.client_cert;
  out.client_key = options_.client_key;
  out.bearer = bearer;
  return out;
}

Result<client::HttpClient*> Link::http() {
  if (turn_ != masters_->turn() || epoch_ != masters_->epoch()) http_.reset();
  if (!http_) {
    turn_ = masters_->turn();
    epoch_ = masters_->epoch();
    TRY(http_, client::HttpClient::open(masters_->client_options(key_.empty() ? masters_->token() : key_)));
  }
  return http_.get();
}

Reply Link::ask(const std::string& method, const std::string& path, const Json& body,
                const std::vector<std::string>& needed, double timeout_s) {
  return send(method, path, body.is_null() ? "" : dump_json(body), {{"Content-Type", "application/json"}},
              needed, timeout_s);
}

Reply Link::send(const std::string& method, const std::string& path, std::string_view bytes,
                 const client::HttpClient::Headers& headers, const std::vector<std::string>& needed,
                 double timeout_s, double think_s) {
  const std::string master = masters_->current();
  const size_t turn = masters_->turn();
  auto opened = http();
  const double stall_s = stall_s_ > 0 ? stall_s_ + think_s : 0;
  auto answer =
      opened ? (*opened)->request(method, "/api/v1" + path, bytes, headers, timeout_s + think_s, stall_s)
             : Result<client::Answer>(std::unexpected(opened.error()));
  Reply out = answer ? judge_answer(master, *answer, needed) : trouble_of(master, answer.error());
  // Another master may do better; with one only, this makes a new connection.
  if (out.worth_repeating()) {
    masters_->turn_on(turn);
    http_.reset();
  }
  return out;
}

Duration Backoff::next(Duration at_least) {
  Duration bound = first_;
  for (unsigned i = 0; i < tries_ && bound < most_; i++) bound *= 2;
  bound = std::min(bound, most_);
  tries_++;
  uint32_t bits = 0;
  (void)!::getrandom(&bits, sizeof bits, 0);
  const double share = static_cast<double>(bits) / 4294967296.0;
  // Never at once: a master that refuses connections would be asked thousands of times a second.
  const Duration floor = std::min<Duration>(first_ / 4, std::chrono::milliseconds(250));
  return at_least + floor +
         Duration(static_cast<int64_t>(share * static_cast<double>((bound - floor).count())));
}

std::string url_encode(std::string_view text) {
  std::string out;
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace ffrtmp::agent

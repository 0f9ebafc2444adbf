#include "client/http_client.h"

#include <curl/curl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>

#include "net/url_guard.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp::client {

namespace {

size_t on_header(char* data, size_t, size_t size, void* cls) {
  auto& answer = *static_cast<Answer*>(cls);
  const std::string_view line = trim({data, size});
  if (line.starts_with("HTTP/")) answer.headers.clear();
  if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    std::string name(line.substr(0, colon));
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    answer.headers.emplace_back(std::move(name), std::string(trim(line.substr(colon + 1))));
  }
  return size;
}

struct Sink {
  Answer* answer;
  HttpClient::FileSink* stream;
  CURL* curl;
};

size_t on_body(char* data, size_t, size_t size, void* cls) {
  auto& sink = *static_cast<Sink*>(cls);
  if (sink.stream != nullptr) {
    curl_easy_getinfo(sink.curl, CURLINFO_RESPONSE_CODE, &sink.answer->status);
    return (*sink.stream)(*sink.answer, {data, size}) ? size : 0;
  }
  if (sink.answer->body.size() + size > (512u << 20)) return 0;
  sink.answer->body.append(data, size);
  return size;
}

struct Upload {
  std::string_view rest;
  const std::atomic<bool>* stop;
};
size_t on_upload(char* into, size_t one, size_t count, void* cls) {
  auto& upload = *static_cast<Upload*>(cls);
  if (upload.stop != nullptr && *upload.stop) return CURL_READFUNC_ABORT;
  const size_t part = std::min(one * count, upload.rest.size());
  std::copy_n(upload.rest.data(), part, into);
  upload.rest.remove_prefix(part);
  return part;
}

// The address that is connected to is the one that is judged: a name cannot point elsewhere in between.
curl_socket_t open_outward(void*, curlsocktype, curl_sockaddr* address) {
  if (net::points_inward(&address->addr)) return CURL_SOCKET_BAD;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

class CurlClient final : public HttpClient {
 public:
  explicit CurlClient(ClientOptions options) : options_(std::move(options)) {}
  ~CurlClient() override {
    curl_easy_cleanup(curl_);
    curl_multi_cleanup(multi_);
  }

  Status open() {
    static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (started != CURLE_OK) return sys_error("starting libcurl", "", EPROTO);
    while (options_.base.ends_with("/")) options_.base.pop_back();
    if (!options_.base.starts_with("https://") && !options_.base.starts_with("http://"))
      return bad_input("not a URL:", options_.base, "give https://HOST:PORT");
    if (!options_.ca_pin.empty()) {
      const std::string host = net::url_host(options_.base);
      std::string port = "443";
      const size_t colon = options_.base.rfind(':');
      if (colon > 6 && parse_u64(std::string_view(options_.base).substr(colon + 1)))
        port = options_.base.substr(colon + 1);
      TRY(ca_, find_pinned_ca(host, port, options_.ca_pin));
      ca_file_ = Fd(::memfd_create("ca", MFD_CLOEXEC));
      TRY_OK(write_all(ca_file_.get(), ca_));
    }
    curl_ = curl_easy_init();
    multi_ = curl_multi_init();
    if (curl_ == nullptr || multi_ == nullptr) return sys_error("starting libcurl", "", ENOMEM);
    return {};
  }

  Result<Answer> request(const std::string& method, const std::string& path, std::string_view body,
                         const Headers& headers, double timeout_s, double stall_s) override {
    return perform(method, path, body, headers, timeout_s, nullptr, stall_s);
  }

  Result<Answer> stream(const std::string& path, const Headers& headers, double timeout_s,
                        std::function<bool(std::string_view)> sink) override {
    FileSink pieces = [&](const Answer&, std::string_view piece) { return sink(piece); };
    return perform("GET", path, {}, headers, timeout_s, &pieces, 0);
  }

  Result<Answer> download(const std::string& path, const Headers& headers, double stall_s,
                          FileSink sink) override {
    return perform("GET", path, {}, headers, kNoLimit, &sink, stall_s);
  }

 private:
  /// curl_easy_perform() wakes every second of a request that waits for its answer, and a parked poll does
  /// little else: this sleeps until something comes or is due.
  CURLcode run() {
    constexpr int kLongMs = 60'000;  // libcurl looks up earlier for a limit of its own
    CURLcode out = CURLE_FAILED_INIT;
    int running = 1;
    CURLMcode code = curl_multi_add_handle(multi_, curl_);
    while (code == CURLM_OK) {
      code = curl_multi_perform(multi_, &running);
      if (code != CURLM_OK || running == 0) break;
      code = curl_multi_poll(multi_, nullptr, 0, kLongMs, nullptr);
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left))
      if (message->msg == CURLMSG_DONE) out = message->data.result;
    curl_multi_remove_handle(multi_, curl_);
    return out;
  }

  Result<Answer> perform(const std::string& method, const std::string& path, std::string_view body,
                         const Headers& headers, double timeout_s, FileSink* stream, double stall_s) {
    curl_easy_reset(curl_);
    Answer answer;
    Sink sink{&answer, stream, curl_};
    Upload upload{body, options_.stop.get()};
    char error[CURL_ERROR_SIZE] = {};
    const std::string url = options_.base + path;
    curl_slist* list = nullptr;
    const auto add = [&](const std::string& line) { list = curl_slist_append(list, line.c_str()); };
    for (const auto& [name, value] : headers) add(name + ": " + value);
    if (!options_.bearer.empty()) add("Authorization: Bearer " + options_.bearer);
    add("Expect:");
    curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl_, CURLOPT_CUSTOMREQUEST, method.c_str());
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl_, CURLOPT_USERAGENT, "ffrtmp/" FFRTMP_VERSION);
    curl_easy_setopt(curl_, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl_, CURLOPT_HEADERDATA, &answer);
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &sink);
    curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout_s * 1000));
    if (stall_s > 0) {
      curl_easy_setopt(curl_, CURLOPT_LOW_SPEED_LIMIT, 1L);
      curl_easy_setopt(curl_, CURLOPT_LOW_SPEED_TIME, static_cast<long>(stall_s));
    }
    if (timeout_s != kNoLimit) {
      curl_easy_setopt(curl_, CURLOPT_TIMEOUT_MS,
                       static_cast<long>((timeout_s > 0 ? timeout_s : options_.timeout_s) * 1000));
    }
    curl_easy_setopt(curl_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    // Debian's libcurl adds the system's authorities to the one that is named, from a folder that it was
    // built with.
    if (!ca_.empty() || !options_.ca_file.empty()) curl_easy_setopt(curl_, CURLOPT_CAPATH, nullptr);
    if (!ca_.empty()) {
      // libcurl takes an authority from memory with other TLS libraries than GnuTLS only; this is a file
      // nonetheless.
      curl_easy_setopt(curl_, CURLOPT_CAINFO, ("/proc/self/fd/" + std::to_string(ca_file_.get())).c_str());
    } else if (!options_.ca_file.empty()) {
      curl_easy_setopt(curl_, CURLOPT_CAINFO, options_.ca_file.c_str());
    }
    if (!options_.client_cert.empty()) {
      curl_easy_setopt(curl_, CURLOPT_SSLCERT, options_.client_cert.c_str());
      curl_easy_setopt(curl_, CURLOPT_SSLKEY, options_.client_key.c_str());
    }
    if (options_.refuse_inward) curl_easy_setopt(curl_, CURLOPT_OPENSOCKETFUNCTION, open_outward);
    if (method == "POST" || method == "PUT" || method == "PATCH") {
      curl_easy_setopt(curl_, CURLOPT_POST, 1L);
      curl_easy_setopt(curl_, CURLOPT_CUSTOMREQUEST, method.c_str());
      curl_easy_setopt(curl_, CURLOPT_READFUNCTION, on_upload);
      curl_easy_setopt(curl_, CURLOPT_READDATA, &upload);
      curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
      if (body.empty()) curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, "");
    }
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, list);
    const CURLcode code = run();
    curl_slist_free_all(list);
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &answer.status);
    if (code == CURLE_OK || (stream != nullptr && code == CURLE_WRITE_ERROR)) return answer;
    const int number = code == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT
                       : code == CURLE_COULDNT_CONNECT  ? ECONNREFUSED
                                                        : EPROTO;
    return sys_error("asking", options_.base, number, *error != '\0' ? error : curl_easy_strerror(code));
  }

  ClientOptions options_;
  std::string ca_;
  Fd ca_file_;
  CURL* curl_ = nullptr;
  CURLM* multi_ = nullptr;  ///< holds the connection
};

}  // namespace

std::string Answer::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return "";
}

Result<std::unique_ptr<HttpClient>> HttpClient::open(const ClientOptions& options) {
  auto client = std::make_unique<CurlClient>(options);
  TRY_OK(client->open());
  return client;
}

}  // namespace ffrtmp::client

#include "http.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "plugins/common/silent_peer.h"
#include "weir/errors.h"

namespace weir::s3 {

namespace {

/// More than any answer that is asked for: listings have 1,000 entries, pieces of objects at most 64 MiB.
constexpr std::size_t kLargestAnswer = 80 * MiB;

/// What a transfer reads from and writes to.
struct Transfer {
  const Body& body;
  HttpResponse& response;
  const Cancelled& cancelled;
  std::uint64_t sent = 0;
  std::string problem = {};

  std::uint64_t size() const { return body.file >= 0 ? body.size : body.bytes.size(); }
};

std::size_t send(char* to, std::size_t count, std::size_t size, void* data) {
  auto& transfer = *static_cast<Transfer*>(data);
  const auto left = transfer.size() - transfer.sent;
  const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(count * size, left));
  if (want == 0) return 0;
  if (transfer.body.file < 0) {
    std::memcpy(to, transfer.body.bytes.data() + transfer.sent, want);
    transfer.sent += want;
    return want;
  }
  const auto got = ::pread(transfer.body.file, to, want, static_cast<off_t>(transfer.body.offset + transfer.sent));
  if (got <= 0) {
    transfer.problem = got == 0 ? "the file to send became shorter" : std::strerror(errno);
    return CURL_READFUNC_ABORT;
  }
  transfer.sent += static_cast<std::uint64_t>(got);
  return static_cast<std::size_t>(got);
}

/// A connection that broke makes libcurl send again from the start.
int seek(void* data, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Transfer*>(data)->sent = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

std::size_t receive(char* from, std::size_t count, std::size_t size, void* data) {
  auto& body = static_cast<Transfer*>(data)->response.body;
  if (body.size() + count * size > kLargestAnswer) {
    static_cast<Transfer*>(data)->problem = "the answer is larger than anything that was asked for";
    return 0;
  }
  body.append(from, count * size);
  return count * size;
}

std::size_t receive_header(char* from, std::size_t count, std::size_t size, void* data) {
  auto& response = static_cast<Transfer*>(data)->response;
  std::string_view line(from, count * size);
  if (line.starts_with("HTTP/")) {
    response.headers.clear();  // of a 100 Continue
    return count * size;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return count * size;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  auto value = line.substr(colon + 1);
  const auto first = value.find_first_not_of(" \t");
  value = first == std::string_view::npos ? std::string_view() : value.substr(first);
  value = value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
  response.headers.emplace_back(std::move(name), value);
  return count * size;
}

int progress(void* data, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& cancelled = static_cast<Transfer*>(data)->cancelled;
  return cancelled && cancelled() ? 1 : 0;
}

int watch(void*, curl_socket_t socket, curlsocktype) {
  give_up_on_silence(socket);
  return CURL_SOCKOPT_OK;
}

bool is_lasting(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM ||
         code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_SSL_ISSUER_ERROR;
}

}  // namespace

std::string HttpResponse::header(std::string_view name) const {
  const auto at = std::find_if(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; });
  return at == headers.end() ? std::string() : at->second;
}

struct HttpConnection::Curl {
  CURL* handle = nullptr;
  Curl() {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    handle = curl_easy_init();
    if (handle == nullptr) throw std::bad_alloc();
  }
  ~Curl() { curl_easy_cleanup(handle); }
  template <class T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(handle, option, value);
  }
};

HttpConnection::HttpConnection(HttpOptions options, Cancelled cancelled)
    : options_(std::move(options)), cancelled_(std::move(cancelled)), curl_(std::make_unique<Curl>()) {}
HttpConnection::~HttpConnection() = default;
HttpConnection::HttpConnection(HttpConnection&&) noexcept = default;

HttpResponse HttpConnection::perform(const HttpRequest& request) {
  HttpResponse response;
  Transfer transfer{request.body, response, cancelled_};
  auto& curl = *curl_;
  curl_easy_reset(curl.handle);  // keeps connections
  char message[CURL_ERROR_SIZE] = "";
  curl.set(CURLOPT_ERRORBUFFER, message);
  curl.set(CURLOPT_NOSIGNAL, 1L);
  curl.set(CURLOPT_URL, request.url.c_str());
  curl.set(CURLOPT_PATH_AS_IS, 1L);  // a key may have "..", and the path is signed as it is
  curl.set(CURLOPT_PROTOCOLS_STR, "http,https");
  curl.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl.set(CURLOPT_CONNECTTIMEOUT_MS,
           static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(options_.connect_timeout).count()));
  curl.set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl.set(CURLOPT_LOW_SPEED_TIME,
           static_cast<long>(std::chrono::ceil<std::chrono::seconds>(options_.stall_timeout).count()));
  curl.set(CURLOPT_SOCKOPTFUNCTION, &watch);
  curl.set(CURLOPT_BUFFERSIZE, 256L * 1024);
  curl.set(CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
  if (options_.ca) curl.set(CURLOPT_CAINFO, options_.ca->c_str());
  if (options_.certificate) curl.set(CURLOPT_SSLCERT, options_.certificate->c_str());
  if (options_.key) curl.set(CURLOPT_SSLKEY, options_.key->c_str());
  if (!options_.verify) {
    curl.set(CURLOPT_SSL_VERIFYPEER, 0L);
    curl.set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  curl.set(CURLOPT_WRITEFUNCTION, &receive);
  curl.set(CURLOPT_WRITEDATA, &transfer);
  curl.set(CURLOPT_HEADERFUNCTION, &receive_header);
  curl.set(CURLOPT_HEADERDATA, &transfer);
  curl.set(CURLOPT_NOPROGRESS, 0L);
  curl.set(CURLOPT_XFERINFOFUNCTION, &progress);
  curl.set(CURLOPT_XFERINFODATA, &transfer);

  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(nullptr, curl_slist_free_all);
  const auto add = [&headers](const std::string& line) {
    headers.reset(curl_slist_append(headers.release(), line.c_str()));
  };
  for (const auto& [name, value] : request.headers) add(value.empty() ? name + ';' : name + ": " + value);
  add("Expect:");  // a wait for 100 Continue costs a round trip, and some servers never send it
  if (request.method == "HEAD") {
    curl.set(CURLOPT_NOBODY, 1L);
  } else if (request.method == "PUT" || (request.method == "POST" && transfer.size() > 0)) {
    curl.set(CURLOPT_UPLOAD, 1L);
    curl.set(CURLOPT_READFUNCTION, &send);
    curl.set(CURLOPT_READDATA, &transfer);
    curl.set(CURLOPT_SEEKFUNCTION, &seek);
    curl.set(CURLOPT_SEEKDATA, &transfer);
    curl.set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(transfer.size()));
    curl.set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (request.method == "POST") {
    curl.set(CURLOPT_POST, 1L);
    curl.set(CURLOPT_POSTFIELDS, "");
    curl.set(CURLOPT_POSTFIELDSIZE, 0L);
    add("Content-Type:");
  } else {
    curl.set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  curl.set(CURLOPT_HTTPHEADER, headers.get());

  const auto code = curl_easy_perform(curl.handle);
  if (code != CURLE_OK) {
    const auto place = request.url.substr(0, request.url.find('?'));
    std::string why = !transfer.problem.empty() ? transfer.problem : *message != 0 ? message : curl_easy_strerror(code);
    if (code == CURLE_ABORTED_BY_CALLBACK && transfer.problem.empty()) why = "given up because this ends";
    if (is_lasting(code)) throw Misconfigured(request.method + ' ' + place + ": " + why);
    throw Unavailable(request.method + ' ' + place + ": " + why);
  }
  long status = 0;
  curl_easy_getinfo(curl.handle, CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  return response;
}

}  // namespace weir::s3

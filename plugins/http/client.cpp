#include "client.h"

#include <curl/curl.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <ctime>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unordered_map>

#include "plugins/common/silent_peer.h"
#include "url.h"

namespace weir::http {
namespace {

constexpr std::size_t kExcerpt = 300;
constexpr std::size_t kMostSpare = 16;  ///< easy handles kept for the next request

std::string_view reason(int status) {
  struct Reason {
    int status;
    std::string_view text;
  };
  static constexpr std::array kReasons = std::to_array<Reason>({
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {413, "Content Too Large"},
      {415, "Unsupported Media Type"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {500, "Internal Server Error"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  });
  const auto found = std::ranges::find(kReasons, status, &Reason::status);
  return found == kReasons.end() ? std::string_view() : found->text;
}

Duration until(const std::string& text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size()) {
    const auto when = curl_getdate(text.c_str(), nullptr);
    if (when == -1) return Duration::zero();
    seconds = static_cast<std::int64_t>(when) - static_cast<std::int64_t>(std::time(nullptr));
  }
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, 24 * 3600));
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

long milliseconds(Duration duration) {
  return static_cast<long>(std::max<std::int64_t>(1, duration.count() / 1'000'000));
}

// To libcurl's headers both kinds of handle are void*.
struct EndEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct EndMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EndEasy>;

}  // namespace

const std::string* Response::header(std::string_view name) const {
  const auto found = std::find_if(headers.rbegin(), headers.rend(), [&](const auto& h) { return h.first == name; });
  return found == headers.rend() ? nullptr : &found->second;
}

bool Response::passing() const {
  if (outcome == Outcome::unreachable) return true;
  return outcome == Outcome::answered && (status == 408 || status == 425 || status == 429 || status >= 500);
}

std::optional<Duration> Response::retry_after() const {
  const auto* text = header("retry-after");
  if (outcome != Outcome::answered || text == nullptr) return std::nullopt;
  return until(*text);
}

std::string Response::describe() const {
  if (outcome != Outcome::answered) return error;
  auto text = std::to_string(status);
  if (const auto words = reason(status); !words.empty()) text += " " + std::string(words);
  auto shown = body;
  for (std::size_t at = 0; !login.empty() && (at = shown.find(login, at)) != std::string::npos; at += 3)
    shown.replace(at, login.size(), "***");
  auto excerpt = shown.substr(0, kExcerpt);
  // One line of text, whatever it was; cut between characters.
  while (!excerpt.empty() && excerpt.size() < shown.size() &&
         (static_cast<unsigned char>(excerpt.back()) & 0xc0U) == 0x80U)
    excerpt.pop_back();
  if (!excerpt.empty() && excerpt.size() < shown.size() && static_cast<unsigned char>(excerpt.back()) >= 0xc0U)
    excerpt.pop_back();
  std::ranges::replace_if(excerpt, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  if (!excerpt.empty()) text += ": " + excerpt + (excerpt.size() < shown.size() ? "…" : "");
  return text;
}

std::string basic_credentials(const std::string& user, const std::string& password) {
  const auto plain = user + ":" + password;
  std::string encoded((plain.size() + 2) / 3 * 4 + 1, '\0');
  const auto size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                      reinterpret_cast<const unsigned char*>(plain.data()), static_cast<int>(plain.size()));
  encoded.resize(static_cast<std::size_t>(size));
  return encoded;
}

bool is_header_name(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view value) {
  return std::ranges::all_of(value,
                             [](char c) { return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t'; });
}

class Client::Multi {
 public:
  explicit Multi(Options options) : options_(std::move(options)) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    multi_.reset(curl_multi_init());
    if (!multi_) throw std::runtime_error("libcurl cannot be initialised");
    thread_ = std::thread([this] { run(); });
  }
  ~Multi() {
    stopping_ = true;
    curl_multi_wakeup(multi_.get());
    thread_.join();
    for (auto& [easy, transfer] : under_way_) curl_multi_remove_handle(multi_.get(), easy);
  }
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;

  void submit(Request request, Done done) {
    auto transfer = std::make_unique<Transfer>();
    transfer->request = std::move(request);
    transfer->done = std::move(done);
    {
      const std::lock_guard lock(mutex_);
      submitted_.push_back(std::move(transfer));
    }
    curl_multi_wakeup(multi_.get());
  }

 private:
  struct Transfer {
    Request request;
    Done done;
    Response response;
    std::optional<Url> home;  ///< whom the credentials are for
    std::optional<Url> url;
    std::int64_t redirects = 0;
    bool foreign = false;  ///< sent to another host: it gets no credentials
    bool cut = false;
    Easy easy;
    std::unique_ptr<curl_slist, FreeList> headers;
    std::array<char, CURL_ERROR_SIZE> message{};
  };
  using Owned = std::unique_ptr<Transfer>;

  void run() {
    while (!stopping_) {
      std::vector<Owned> fresh;
      {
        const std::lock_guard lock(mutex_);
        fresh.swap(submitted_);
      }
      for (auto& transfer : fresh) {
        const auto& request = transfer->request;
        transfer->url = parse_url(request.url);
        transfer->home = request.home.empty() ? transfer->url : parse_url(request.home);
        if (transfer->url && transfer->home) {
          transfer->foreign = !same_origin(*transfer->home, *transfer->url);
          begin(std::move(transfer));
        } else {
          fail(*transfer, Response::Outcome::unusable, "this is no http or https address");
          finish(std::move(transfer));
        }
      }
      int running = 0;
      curl_multi_perform(multi_.get(), &running);
      int left = 0;
      while (const auto* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg == CURLMSG_DONE) ended(message->easy_handle, message->data.result);
      }
      curl_multi_poll(multi_.get(), nullptr, 0, 60'000, nullptr);
    }
  }

  void begin(Owned transfer) {
    auto& t = *transfer;
    if (!t.easy && !spare_.empty()) {
      t.easy = std::move(spare_.back());
      spare_.pop_back();
    }
    if (!t.easy) t.easy.reset(curl_easy_init());
    if (!t.easy) {
      fail(t, Response::Outcome::unreachable, "libcurl cannot be initialised");
      return finish(std::move(transfer));
    }
    t.response = {};
    t.response.url = t.url->display();
    t.message[0] = '\0';
    set_options(t);
    auto* easy = t.easy.get();
    under_way_.emplace(easy, std::move(transfer));
    curl_multi_add_handle(multi_.get(), easy);
  }

  void set_options(Transfer& t) {
    auto* easy = t.easy.get();
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, t.url->text.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);  // ended() judges where a redirect leads
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t.message.data());
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(options_.connect_timeout));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(options_.timeout));
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, &Multi::on_socket);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "weir");
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");  // all that libcurl unpacks
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Multi::on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Multi::on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &t);
    if (!options_.ca.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca.c_str());
    if (!options_.cert.empty()) curl_easy_setopt(easy, CURLOPT_SSLCERT, options_.cert.c_str());
    if (!options_.key.empty()) curl_easy_setopt(easy, CURLOPT_SSLKEY, options_.key.c_str());
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options_.verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options_.verify ? 2L : 0L);
    if (!t.foreign && !options_.bearer.empty()) {
      curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
      curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, options_.bearer.c_str());
    } else if (!t.foreign && !options_.user.empty()) {
      curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
      curl_easy_setopt(easy, CURLOPT_USERNAME, options_.user.c_str());
      curl_easy_setopt(easy, CURLOPT_PASSWORD, options_.password.c_str());
    }
    set_method(t);
    set_headers(t);
  }

  static void set_method(Transfer& t) {
    auto* easy = t.easy.get();
    const auto& method = t.request.method;
    if (method == "GET" && t.request.body.empty()) return;
    if (method == "HEAD") {
      curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
      return;
    }
    if (method != "DELETE" || !t.request.body.empty()) {
      curl_easy_setopt(easy, CURLOPT_POST, 1L);
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(t.request.body.size()));
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, t.request.body.data());
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
  }

  static void set_headers(Transfer& t) {
    curl_slist* list = nullptr;
    const auto add = [&list](const std::string& line) { list = curl_slist_append(list, line.c_str()); };
    bool typed = false;
    for (const auto& [name, value] : t.request.headers) {
      const bool content = curl_strequal(name.c_str(), "content-type") != 0;
      typed |= content;
      // To a host that the author's url does not name go neither keys nor cookies.
      if (t.foreign && !content && curl_strequal(name.c_str(), "accept") == 0) continue;
      add(value.empty() ? name + ";" : name + ": " + value);
    }
    if (!typed) add("Content-Type:");  // not the form's that libcurl takes a body for
    add("Expect:");                    // a round trip for nothing
    t.headers.reset(list);
    curl_easy_setopt(t.easy.get(), CURLOPT_HTTPHEADER, list);
  }

  static int on_socket(void*, curl_socket_t socket, curlsocktype) {
    give_up_on_silence(socket);
    return CURL_SOCKOPT_OK;
  }

  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
    auto& t = *static_cast<Transfer*>(user);
    const auto room = t.request.max_body - std::min<std::uint64_t>(t.request.max_body, t.response.body.size());
    t.response.body.append(data, std::min<std::uint64_t>(size, room));
    if (size <= room) return size;
    t.cut = true;
    return 0;
  }

  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
    auto& t = *static_cast<Transfer*>(user);
    std::string_view line(data, size);
    while (line.ends_with('\n') || line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    if (line.starts_with("HTTP/")) {
      t.response.headers.clear();  // of a 100 Continue, say
    } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
      std::string name(line.substr(0, colon));
      for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
      }
      line.remove_prefix(colon + 1);
      while (line.starts_with(' ')) line.remove_prefix(1);
      t.response.headers.emplace_back(std::move(name), line);
    }
    return size;
  }

  void ended(CURL* easy, CURLcode code) {
    curl_multi_remove_handle(multi_.get(), easy);
    const auto found = under_way_.find(easy);
    auto transfer = std::move(found->second);
    under_way_.erase(found);
    auto& t = *transfer;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    t.response.status = static_cast<int>(status);
    if (!options_.user.empty()) t.response.login = basic_credentials(options_.user, options_.password);
    if (t.cut && !t.request.cut) {
      fail(t, Response::Outcome::too_large, "the answer is larger than " + format_bytes(t.request.max_body));
    } else if (code != CURLE_OK && !t.cut) {
      judge(t, code);
    } else if (is_redirect(t.response.status) && t.response.header("location") != nullptr) {
      if (redirect(t)) return begin(std::move(transfer));
    }
    finish(std::move(transfer));
  }

  /// What took too long, in the same words each time, so that it is told once.
  std::string timed_out(const Transfer& t) const {
    curl_off_t connected = 0;
    // When the request began to be sent; on a connection that was there already, nothing else is known.
    curl_easy_getinfo(t.easy.get(), CURLINFO_PRETRANSFER_TIME_T, &connected);
    if (connected == 0)
      return "timed out: no connection within " + format_duration(std::min(options_.connect_timeout, options_.timeout));
    const auto within = format_duration(options_.timeout) + " (timeout)";
    return t.response.status == 0 ? "timed out: no answer within " + within
                                  : "timed out: the answer was not whole within " + within;
  }

  void judge(Transfer& t, CURLcode code) const {
    if (code == CURLE_OPERATION_TIMEDOUT) return fail(t, Response::Outcome::unreachable, timed_out(t));
    const std::string text = t.message[0] != '\0' ? t.message.data() : curl_easy_strerror(code);
    switch (code) {
      case CURLE_SSL_CERTPROBLEM:
      case CURLE_SSL_CACERT_BADFILE:
      case CURLE_SSL_CIPHER:
      case CURLE_URL_MALFORMAT:
      case CURLE_UNSUPPORTED_PROTOCOL:
        return fail(t, Response::Outcome::unusable, text);
      default:
        return fail(t, Response::Outcome::unreachable, text);
    }
  }

  /// True: `t` is to be sent again, to where it was redirected.
  bool redirect(Transfer& t) const {
    const auto to = resolve(*t.url, *t.response.header("location"));
    const auto end = [&t](Response::Outcome outcome, const std::string& why) {
      fail(t, outcome, "the redirect (" + std::to_string(t.response.status) + ") is not followed: " + why);
      return false;
    };
    const auto refuse = [&end](const std::string& why) { return end(Response::Outcome::redirect, why); };
    const auto lose = [&end](const std::string& why) { return end(Response::Outcome::astray, why); };
    if (!to) return lose("it leads to no http or https address");
    auto why = leaves(*t.url, *to, options_.allowed_hosts);
    // From another host it may lead back.
    const bool safe = t.url->scheme == "http" || to->scheme == "https";
    if (!why.empty() && safe) why = leaves(*t.home, *to, options_.allowed_hosts);
    if (!why.empty()) return refuse(why);
    if (++t.redirects > options_.max_redirects)
      return lose("it is the one after " + std::to_string(options_.max_redirects) + " others (max_redirects)");
    const bool reads = t.request.method == "GET" || t.request.method == "HEAD";
    // What clients make of a 301, 302 or 303 is a GET: the body would be lost, and nobody told.
    if (!reads && t.response.status < 307)
      return refuse("a " + t.request.method + " would lose its body on the way to " + to->display() +
                    "; give that address as the url");
    t.foreign = t.foreign || !same_origin(*t.url, *to);
    t.url = to;
    return true;
  }

  static void fail(Transfer& t, Response::Outcome outcome, const std::string& what) {
    t.response.outcome = outcome;
    t.response.error = (t.url ? t.url->display() : "url") + ": " + what;
  }

  void finish(Owned transfer) {
    if (transfer->easy && spare_.size() < kMostSpare) spare_.push_back(std::move(transfer->easy));
    transfer->done(std::move(transfer->response));
  }

  const Options options_;
  std::unique_ptr<CURLM, EndMulti> multi_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;  ///< of submitted_
  std::vector<Owned> submitted_;
  // Of the thread alone.
  std::vector<Easy> spare_;
  std::unordered_map<CURL*, Owned> under_way_;
  std::thread thread_;  ///< last: it uses the rest
};

Client::Client(Options options) : multi_(std::make_unique<Multi>(std::move(options))) {}
Client::~Client() = default;

void Client::submit(Request request, Done done) {
  multi_->submit(std::move(request), std::move(done));
}

}  // namespace weir::http

#include "api/server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "api/byte_stream.h"

namespace weir::api {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

using RequestParser = http::request_parser<http::string_body>;
using Reply = http::response<http::string_body>;
using StreamHeader = http::response<http::empty_body>;

/// Said to a client beyond max_connections, without reading what it wants.
constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\n"
    "Connection: close\r\nContent-Length: 27\r\n\r\ntoo many open connections.\n";

/// Said to a client that speaks plain HTTP where TLS is due.
constexpr std::string_view kSpeakTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    "Content-Length: 36\r\n\r\nthis port speaks TLS: use https://.\n";

/// What is read, at most, of a client that was told to go away, so that closing does not destroy its answer on the way.
constexpr std::size_t kMostDrained = 1 << 20;
constexpr auto kLongestDrain = std::chrono::seconds(1);

/// A client that takes its answer is left alone for so long, however many others want its place.
constexpr auto kTakesAnswer = std::chrono::seconds(1);

/// Pages that take time do so here: few, so that what they do to the disk leaves most of it to the flows.
constexpr std::size_t kSlowThreads = 2;
/// Wishes do so here: they wait for sessions to end, and for epochs, however long that is, and are in the way of each
/// other at most.
constexpr std::size_t kWishThreads = 4;

/// Unless a page brings its own: what comes from data must not run in a browser, whatever it claims to be.
constexpr std::string_view kContentPolicy = "default-src 'none'; frame-ancestors 'none'";

class Connection;

/// Connections that wait for their client, in the order in which they began to.
using Waiting = std::map<std::uint64_t, Connection*>;

struct Common {
  asio::io_context* context = nullptr;
  asio::thread_pool* slow = nullptr;
  asio::thread_pool* wishes = nullptr;
  Handler handler;
  Options options;
  bool loopback = true;
  std::unique_ptr<tls::Server> tls;  ///< null: plain HTTP
  // The server's thread only.
  std::size_t connections = 0;      ///< open
  std::set<Connection*> streaming;  ///< those with a stream, which has a subscription somewhere
  Waiting reading;                  ///< for a request
  Waiting taking;                   ///< that their answer is taken
  std::uint64_t turns = 0;          ///< numbers in the two that were given

  /// Hangs up on who has kept its place for the longest and has not said what it wants, or, if there is none, does not
  /// take its answer. False: there is nobody.
  bool make_room() const;
};

Response answer_error(const beast::error_code& error) {
  if (error == http::error::header_limit) return {431, {}, "the request's header is too large\n", {}};
  if (error == http::error::body_limit) return {413, {}, "the request's body is too large\n", {}};
  return {400, {}, "cannot read this request: " + error.message() + "\n", {}};
}

/// True if `origin` is the page that the server itself serves at `host`. Without TLS here a proxy in front may speak
/// it.
bool same_origin(std::string_view origin, std::string_view host, bool secure) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (secure && scheme == "http://") return false;
    if (origin.starts_with(scheme)) return !host.empty() && beast::iequals(origin.substr(scheme.size()), host);
  }
  return false;
}

/// Where a stream's page sends to. Outlives its connection, if the page holds it longer.
class StreamOutlet final : public Outlet, public std::enable_shared_from_this<StreamOutlet> {
 public:
  StreamOutlet(std::weak_ptr<Connection> connection, asio::io_context& context, std::size_t most)
      : connection_(std::move(connection)), context_(context), most_(most) {}
  bool send(std::shared_ptr<const std::string> bytes) override;
  void end() override;
  void sent(std::size_t size) { waiting_ -= size; }

 private:
  const std::weak_ptr<Connection> connection_;
  asio::io_context& context_;
  const std::size_t most_;
  std::atomic<std::size_t> waiting_{0};
  std::atomic<bool> over_{false};
};

/// One client: reads a request, writes its answer, and so on.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Common& common)
      : stream_(std::move(socket)), common_(common), buffer_(common.options.max_header + common.options.max_body) {
    ++common_.connections;
    if (common_.tls) stream_.encrypt(common_.tls->accept());
  }
  ~Connection() {
    leave();
    common_.streaming.erase(this);
    --common_.connections;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(common_.options.max_header);
    parser_->body_limit(common_.options.max_body);
    stream_.tcp().expires_after(common_.options.timeout);
    wait_in(common_.reading);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      self->leave();
      self->on_read(error);
    });
  }

  /// Since when it waits for its client.
  std::chrono::steady_clock::time_point waits_since() const { return since_; }

  /// Of a stream: the next bytes, or its end.
  void push(std::shared_ptr<const std::string> bytes) {
    if (hung_up_ || ending_) return;
    queue_.push_back(std::move(bytes));
    if (!writing_) write_queued();
  }
  void end_stream() {
    ending_ = true;
    if (!writing_) hang_up();
  }
  void hang_up() {
    hung_up_ = true;
    leave();
    subscription_.reset();
    common_.streaming.erase(this);
    stream_.tcp().close();
  }

 private:
  void wait_in(Waiting& list) {
    waits_in_ = &list;
    turn_ = common_.turns++;
    since_ = std::chrono::steady_clock::now();
    list.emplace(turn_, this);
  }
  void leave() {
    if (auto* list = std::exchange(waits_in_, nullptr)) list->erase(turn_);
  }

  void on_read(const beast::error_code& error) {
    if (error == http::error::end_of_stream) return close();
    if (error && stream_.spoke_plainly()) return speak_plainly();
    if (error && error.category() != http::make_error_code(http::error::bad_method).category()) return;  // it is gone
    if (error) return write(answer_error(error), 11, false, false);
    const auto& request = parser_->get();
    respond(answer(request));
  }

  void respond(Response response) {
    const auto& request = parser_->get();
    if (response.later) {
      asio::post(reads(request) ? *common_.slow : *common_.wishes,
                 [self = shared_from_this(), page = std::move(response.later)] {
                   auto real = guarded(page);
                   asio::post(*self->common_.context,
                              [self, real = std::move(real)]() mutable { self->respond(std::move(real)); });
                 });
      return;
    }
    if (response.stream && request.method() != http::verb::head) {
      if (common_.streaming.size() < common_.options.max_streams) return begin_stream(std::move(response));
      response = {503, {}, "too many clients listen already\n"};
    }
    write(std::move(response), request.version(), request.keep_alive(), request.method() == http::verb::head);
  }

  template <class Page>
  static Response guarded(const Page& page) {
    try {
      return page();
    } catch (const std::exception& failure) {
      return {500, {}, std::string("this page failed: ") + failure.what() + "\n"};
    }
  }

  Response answer(const http::request<http::string_body>& request) {
    auto target = std::string_view(request.target());
    auto host = std::string_view(request[http::field::host]);
    const bool has_host = request.find(http::field::host) != request.end();
    if (constexpr std::string_view scheme = "http://"; target.starts_with(scheme)) {  // the absolute form
      target.remove_prefix(scheme.size());
      host = target.substr(0, target.find_first_of("/?"));
      target.remove_prefix(host.size());
      if (!target.starts_with('/')) target = "/";
    } else if (!has_host && request.version() >= 11) {
      return {400, {}, "HTTP/1.1 asks for a Host header, and there is none\n", {}};
    }
    if (request.count(http::field::host) > 1) return {400, {}, "there is more than one Host header\n", {}};
    if (common_.loopback && (has_host || !host.empty()) && !names_loopback(host))
      return refuse(request, target, 421,
                    "this is a loopback address: the Host header must name localhost, 127.0.0.1 or [::1]", host);
    // With tokens, a browser keeps the cookie for the name that it has it from.
    const bool anyone = !common_.loopback && !common_.options.authenticated;
    if (anyone && has_host && !cannot_be_rebound(host, common_.options.host_names))
      return refuse(
          request, target, 421,
          std::string("there are no tokens, so a page of a site that takes this address for its own could read "
                      "what flows: the Host header must be an address, a name without a dot, or one that ") +
              kHostNameOption + " gave",
          host);
    // A page of another site may send requests here with a browser's help, but then the browser says whose it is.
    if (const auto origin = request.find(http::field::origin);
        origin != request.end() && !same_origin(origin->value(), host, stream_.encrypted()))
      return refuse(request, target, 403, "pages of another origin must not call this one", origin->value());
    if (const auto site = request["Sec-Fetch-Site"];
        !reads(request) && !site.empty() && site != "same-origin" && site != "none")
      return refuse(request, target, 403, "pages of another site must not call this one", site);
    return guarded([&] { return common_.handler(as_page_sees_it(request, target)); });
  }

  static bool reads(const http::request<http::string_body>& request) {
    return request.method() == http::verb::get || request.method() == http::verb::head;
  }

  /// `said`: what the request has in the place that is wrong, for the operator's eyes only.
  Response refuse(const http::request<http::string_body>& request, std::string_view target, int status,
                  const std::string& why, std::string_view said) const {
    if (common_.options.refused)
      common_.options.refused(as_page_sees_it(request, target), status, why + ", and not: " + std::string(said));
    return {status, {}, why + "\n"};
  }

  Request as_page_sees_it(const http::request<http::string_body>& request, std::string_view target) const {
    const auto mark = target.find('?');
    beast::error_code gone;
    const auto remote = stream_.tcp().socket().remote_endpoint(gone);
    return {std::string(request.method_string()),
            std::string(target.substr(0, mark)),
            mark == std::string_view::npos ? std::string() : std::string(target.substr(mark + 1)),
            request.body(),
            std::string(request[http::field::content_type]),
            std::string(request[http::field::authorization]),
            std::string(request[http::field::cookie]),
            gone ? std::string() : remote.address().to_string(),
            std::string(request[http::field::accept_encoding]),
            std::string(request[http::field::if_none_match]),
            stream_.encrypted()};
  }

  template <class Message>
  void set_headers(Message& message, const Response& response) const {
    message.set(http::field::content_type,
                response.type.empty() ? std::string("text/plain; charset=utf-8") : response.type);
    message.set(http::field::cache_control, "no-store");
    message.set("X-Content-Type-Options", "nosniff");
    message.set("Content-Security-Policy", kContentPolicy);
    message.set("Referrer-Policy", "no-referrer");
    message.set("Cross-Origin-Resource-Policy", "same-origin");
    // On loopback it would hold for whatever else this machine serves on localhost.
    if (stream_.encrypted() && !common_.loopback) message.set("Strict-Transport-Security", "max-age=31536000");
    if (!response.allow.empty()) message.set(http::field::allow, response.allow);
    for (const auto& [name, value] : response.headers) message.set(name, value);
  }

  /// The body has no length: it ends with the connection.
  void begin_stream(Response response) {
    stream_header_ = StreamHeader(static_cast<http::status>(response.status), parser_->get().version());
    set_headers(stream_header_, response);
    stream_header_.keep_alive(false);
    outlet_ = std::make_shared<StreamOutlet>(weak_from_this(), *common_.context, common_.options.max_waiting);
    common_.streaming.insert(this);
    stream_.tcp().expires_never();
    watch();
    writing_ = true;
    stream_.tcp().expires_after(common_.options.timeout);
    serializer_.emplace(stream_header_);
    http::async_write_header(stream_, *serializer_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      self->on_pushed(error, 0);
    });
    try {
      subscription_ = response.stream(outlet_);
    } catch (const std::exception&) {  // the header has gone: hanging up is all that is left to say
    }
    if (!subscription_) end_stream();
  }

  /// A client that listens has nothing more to say: what it says is not wanted, and tells when it leaves.
  void watch() {
    stream_.async_read_some(asio::buffer(unwanted_),
                            [self = shared_from_this()](beast::error_code error, std::size_t size) {
                              if (self->hung_up_) return;
                              self->unasked_ += size;
                              if (error || self->unasked_ > kMostDrained) return self->hang_up();
                              self->watch();
                            });
  }

  void write_queued() {
    writing_ = true;
    stream_.tcp().expires_after(common_.options.timeout);  // of the write: the read that watches has begun without
    const auto& bytes = *queue_.front();
    asio::async_write(stream_, asio::buffer(bytes),
                      [self = shared_from_this(), size = bytes.size()](beast::error_code error, std::size_t) {
                        self->queue_.pop_front();
                        self->on_pushed(error, size);
                      });
  }

  void on_pushed(const beast::error_code& error, std::size_t size) {
    writing_ = false;
    outlet_->sent(size);
    if (hung_up_) return;
    if (error) return hang_up();
    if (!queue_.empty()) return write_queued();
    if (ending_) hang_up();
  }

  void write(Response response, unsigned version, bool keep_alive, bool head) {
    const auto size = response.body.size();
    reply_ = Reply(static_cast<http::status>(response.status), version);
    set_headers(reply_, response);
    reply_.keep_alive(keep_alive);
    reply_.body() = std::move(response.body);
    if (head) reply_.body().clear();
    if (response.status != 304) reply_.content_length(size);  // of what a GET would bring
    stream_.tcp().expires_after(common_.options.timeout);
    wait_in(common_.taking);
    http::async_write(stream_, reply_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      self->leave();
      self->on_written(error);
    });
  }

  void on_written(const beast::error_code& error) {
    if (error) return;
    if (!reply_.keep_alive()) return close();
    read();
  }

  void close() {
    stream_.tcp().expires_after(std::min<std::chrono::milliseconds>(common_.options.timeout, kLongestDrain));
    stream_.async_shutdown([self = shared_from_this()](beast::error_code error) {
      if (!error) self->drain(0);
    });
  }

  void speak_plainly() {
    stream_.decrypt();
    stream_.tcp().expires_after(common_.options.timeout);
    asio::async_write(stream_, asio::buffer(kSpeakTls.data(), kSpeakTls.size()),
                      [self = shared_from_this()](beast::error_code error, std::size_t) {
                        if (!error) self->close();
                      });
  }

  void drain(std::size_t so_far) {
    if (so_far > kMostDrained) return;
    stream_.tcp().async_read_some(asio::buffer(unwanted_),
                                  [self = shared_from_this(), so_far](beast::error_code error, std::size_t size) {
                                    if (!error) self->drain(so_far + size);
                                  });
  }

  ByteStream stream_;
  Common& common_;
  beast::flat_buffer buffer_;
  std::optional<RequestParser> parser_;
  Reply reply_;
  std::array<char, 4096> unwanted_;
  Waiting* waits_in_ = nullptr;  ///< null: its client has nothing to do
  std::uint64_t turn_ = 0;       ///< its number there
  std::chrono::steady_clock::time_point since_;

  // Of a stream.
  StreamHeader stream_header_;
  std::optional<http::response_serializer<http::empty_body>> serializer_;
  std::shared_ptr<StreamOutlet> outlet_;
  std::shared_ptr<void> subscription_;
  std::deque<std::shared_ptr<const std::string>> queue_;
  std::size_t unasked_ = 0;
  bool writing_ = false;
  bool ending_ = false;
  bool hung_up_ = false;
};

bool Common::make_room() const {
  if (!reading.empty()) {
    reading.begin()->second->hang_up();
    return true;
  }
  if (taking.empty()) return false;
  auto& oldest = *taking.begin()->second;
  if (std::chrono::steady_clock::now() < oldest.waits_since() + kTakesAnswer) return false;
  oldest.hang_up();
  return true;
}

bool StreamOutlet::send(std::shared_ptr<const std::string> bytes) {
  if (over_) return false;
  if (waiting_ + bytes->size() > most_ && waiting_ != 0) {
    over_ = true;
    asio::post(context_, [connection = connection_] {
      if (const auto alive = connection.lock()) alive->hang_up();
    });
    return false;
  }
  waiting_ += bytes->size();
  asio::post(context_, [connection = connection_, bytes = std::move(bytes)]() mutable {
    if (const auto alive = connection.lock()) alive->push(std::move(bytes));
  });
  return true;
}

void StreamOutlet::end() {
  if (over_.exchange(true)) return;
  asio::post(context_, [connection = connection_] {
    if (const auto alive = connection.lock()) alive->end_stream();
  });
}

tcp::endpoint resolve(asio::io_context& context, const Endpoint& listen) {
  beast::error_code error;
  const auto address = asio::ip::make_address(listen.host, error);
  if (!error) return {address, listen.port};
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(listen.host, std::to_string(listen.port), tcp::resolver::passive, error);
  if (error || found.empty())
    throw std::runtime_error("cannot listen on '" + listen.host + "': " + error.message() + "; give an address");
  for (const auto& entry : found) {  // `localhost` is often both
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

}  // namespace

class Server::Listener {
 public:
  Listener(Handler handler, const Options& options) : acceptor_(context_), pause_(context_) {
    common_.context = &context_;
    common_.slow = &slow_;
    common_.wishes = &wishes_;
    common_.handler = std::move(handler);
    common_.options = options;
    if (!options.tls.certificate.empty())
      common_.tls = tls::library().server(options.tls, options.notice ? options.notice : [](const std::string&) {});
    open(resolve(context_, options.listen));
    accept();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Listener() {
    context_.stop();
    thread_.join();
    for (auto* pool : {&slow_, &wishes_}) pool->stop();
    for (auto* pool : {&slow_, &wishes_}) pool->join();
    // Streams are fed by other threads until they are ended, and then never again.
    while (!common_.streaming.empty()) (*common_.streaming.begin())->hang_up();
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::string url;
  std::uint16_t port = 0;

 private:
  void open(const tcp::endpoint& endpoint) {
    const auto where = authority(endpoint.address().to_string(), endpoint.port());
    common_.loopback = endpoint.address().is_loopback();
    if (!common_.loopback && !common_.options.allow_unauthenticated_network && !common_.options.authenticated)
      throw std::runtime_error("will not listen on " + where +
                               ": there are no tokens yet, so whoever reaches this address could read and steer what "
                               "flows; make one with `weir token add NAME --role operator`, or listen on 127.0.0.1, "
                               "or say " +
                               kAllowNetworkOption + " if the network is closed");
    beast::error_code error;
    const auto check = [&] {
      if (!error) return;
      throw std::runtime_error("cannot listen on " + where + ": " + error.message() +
                               (error == asio::error::address_in_use
                                    ? "; is another Weir running? Choose another with --listen HOST:PORT"
                                    : "; choose another address with --listen HOST:PORT"));
    };
    acceptor_.open(endpoint.protocol(), error);
    check();
    acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    check();
    acceptor_.bind(endpoint, error);
    check();
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
    check();
    port = acceptor_.local_endpoint().port();
    url = (common_.tls ? "https://" : "http://") + authority(endpoint.address().to_string(), port);
  }

  void accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error) return retry();
      if (common_.connections >= common_.options.max_connections && !common_.make_room()) {
        beast::error_code ignored;
        if (common_.tls) return accept();  // there is no word before the handshake
        socket.non_blocking(true, ignored);
        socket.send(asio::buffer(kBusy.data(), kBusy.size()), 0, ignored);
      } else {
        std::make_shared<Connection>(std::move(socket), common_)->read();
      }
      accept();
    });
  }

  /// Accepting failed, for want of file descriptors most likely: that passes, and until then must not spin.
  void retry() {
    pause_.expires_after(std::chrono::milliseconds(100));
    pause_.async_wait([this](beast::error_code error) {
      if (!error) accept();
    });
  }

  Common common_;  // outlives the connections, which the handlers of both that follow own
  asio::io_context context_{1};
  asio::thread_pool slow_{kSlowThreads};
  asio::thread_pool wishes_{kWishThreads};
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::thread thread_;
};

Server::Server(Handler handler, const Options& options)
    : listener_(std::make_unique<Listener>(std::move(handler), options)),
      url_(listener_->url),
      port_(listener_->port) {}

Server::~Server() = default;

void Server::stop() {
  listener_.reset();
}

}  // namespace weir::api

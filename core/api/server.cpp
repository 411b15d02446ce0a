#include "api/server.h"

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <exception>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

namespace weir::api {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

using RequestParser = http::request_parser<http::string_body>;
using Reply = http::response<http::string_body>;

/// Said to a client beyond max_connections, without reading what it wants.
constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\n"
    "Connection: close\r\nContent-Length: 27\r\n\r\ntoo many open connections.\n";

/// What is read, at most, of a client that was told to go away, so that closing does not destroy its answer on the way.
constexpr std::size_t kMostDrained = 1 << 20;
constexpr auto kLongestDrain = std::chrono::seconds(1);

struct Common {
  Handler handler;
  Options options;
  bool loopback = true;
  std::size_t connections = 0;  ///< open; the server's thread only
};

Response answer_error(const beast::error_code& error) {
  if (error == http::error::header_limit) return {431, {}, "the request's header is too large\n", {}};
  if (error == http::error::body_limit) return {413, {}, "the request's body is too large\n", {}};
  return {400, {}, "cannot read this request: " + error.message() + "\n", {}};
}

/// One client: reads a request, writes its answer, and so on.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Common& common)
      : stream_(std::move(socket)), common_(common), buffer_(common.options.max_header + common.options.max_body) {
    ++common_.connections;
  }
  ~Connection() { --common_.connections; }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(common_.options.max_header);
    parser_->body_limit(common_.options.max_body);
    stream_.expires_after(common_.options.timeout);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](beast::error_code error, std::size_t) { self->on_read(error); });
  }

 private:
  void on_read(const beast::error_code& error) {
    if (error == http::error::end_of_stream) return close();
    if (error && error.category() != http::make_error_code(http::error::bad_method).category()) return;  // it is gone
    if (error) return write(answer_error(error), 11, false, false);
    const auto& request = parser_->get();
    write(answer(request), request.version(), request.keep_alive(), request.method() == http::verb::head);
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
    if (common_.loopback && (has_host || !host.empty()) && !names_loopback(host))
      return {421, {}, "this is a loopback address: the Host header must name localhost, 127.0.0.1 or [::1]\n", {}};
    try {
      const auto mark = target.find('?');
      return common_.handler({std::string(request.method_string()), std::string(target.substr(0, mark)),
                              mark == std::string_view::npos ? std::string() : std::string(target.substr(mark + 1))});
    } catch (const std::exception& failure) {
      return {500, {}, std::string("this page failed: ") + failure.what() + "\n", {}};
    }
  }

  void write(Response response, unsigned version, bool keep_alive, bool head) {
    const auto size = response.body.size();
    reply_ = Reply(static_cast<http::status>(response.status), version);
    reply_.set(http::field::content_type,
               response.type.empty() ? std::string("text/plain; charset=utf-8") : response.type);
    reply_.set(http::field::cache_control, "no-store");
    reply_.set("X-Content-Type-Options", "nosniff");
    if (!response.allow.empty()) reply_.set(http::field::allow, response.allow);
    reply_.keep_alive(keep_alive);
    reply_.body() = std::move(response.body);
    if (head) reply_.body().clear();
    reply_.content_length(size);  // of what a GET would bring
    stream_.expires_after(common_.options.timeout);
    http::async_write(stream_, reply_,
                      [self = shared_from_this()](beast::error_code error, std::size_t) { self->on_written(error); });
  }

  void on_written(const beast::error_code& error) {
    if (error) return;
    if (!reply_.keep_alive()) return close();
    read();
  }

  void close() {
    beast::error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    if (ignored) return;
    stream_.expires_after(std::min<std::chrono::milliseconds>(common_.options.timeout, kLongestDrain));
    drain(0);
  }

  void drain(std::size_t so_far) {
    if (so_far > kMostDrained) return;
    stream_.async_read_some(asio::buffer(unwanted_),
                            [self = shared_from_this(), so_far](beast::error_code error, std::size_t size) {
                              if (!error) self->drain(so_far + size);
                            });
  }

  beast::tcp_stream stream_;
  Common& common_;
  beast::flat_buffer buffer_;
  std::optional<RequestParser> parser_;
  Reply reply_;
  std::array<char, 4096> unwanted_;
};

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
    common_.handler = std::move(handler);
    common_.options = options;
    open(resolve(context_, options.listen));
    accept();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Listener() {
    context_.stop();
    thread_.join();
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::string url;
  std::uint16_t port = 0;

 private:
  void open(const tcp::endpoint& endpoint) {
    const auto where = authority(endpoint.address().to_string(), endpoint.port());
    common_.loopback = endpoint.address().is_loopback();
    if (!common_.loopback && !common_.options.allow_unauthenticated_network)
      throw std::runtime_error("will not listen on " + where +
                               ": there is no authentication yet, so whoever reaches this address could read what "
                               "flows; listen on 127.0.0.1, or say " +
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
    url = "http://" + authority(endpoint.address().to_string(), port);
  }

  void accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error) return retry();
      if (common_.connections >= common_.options.max_connections) {
        beast::error_code ignored;
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

  Common common_;  // outlives the connections, which the context's handlers own
  asio::io_context context_{1};
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

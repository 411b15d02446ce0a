#include "listen_server.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "client.h"
#include "gunzip.h"
#include "weir/errors.h"

namespace weir::http {
namespace {

namespace asio = boost::asio;
namespace ssl = asio::ssl;
namespace beast = boost::beast;
namespace bhttp = beast::http;
using asio::ip::tcp;
using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

/// Said to a client beyond max_connections, without reading what it wants.
constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\n"
    "Connection: close\r\nContent-Length: 27\r\n\r\ntoo many open connections.\n";
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

/// What is read, at most, of a client that was told to go away, so that closing does not destroy its answer on the way.
constexpr std::size_t kMostDrained = 1 << 20;
constexpr auto kLongestDrain = std::chrono::seconds(1);
/// For what the flow has taken to become durable. Longer than that, and something is very wrong with the disk.
constexpr auto kLongestCommit = std::chrono::seconds(60);

struct Refusal {
  int status;
  std::string why;
};

Refusal behind() {
  return {429, "the flow is behind; try again later"};
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return beast::iequals(a, b);
}

/// The scheme in any case, what follows to the letter, in a time that does not tell how much of it was right.
bool authorized(std::string_view given, std::string_view wanted) {
  const auto space = wanted.find(' ');
  if (given.size() != wanted.size() || !same_ignoring_case(given.substr(0, space), wanted.substr(0, space)))
    return false;
  return CRYPTO_memcmp(given.data() + space, wanted.data() + space, wanted.size() - space) == 0;
}

class Peer;

/// What the connections share. Used on the server's thread alone.
struct Common {
  const ListenServer::Options options;
  Intake& intake;
  const ListenServer::Listener listener;
  std::set<Peer*> clients = {};                           ///< open connections
  std::unordered_map<std::uint64_t, Peer*> waiting = {};  ///< by the request that waits for its answer
  std::uint64_t next_id = 1;
  bool stopping = false;
  std::function<void()> all_gone = {};  ///< when stopping
};

/// A connection, without its kind of stream.
class Peer {
 public:
  explicit Peer(Common& common) : common_(common) { common_.clients.insert(this); }
  virtual ~Peer() {
    common_.clients.erase(this);
    if (common_.stopping && common_.clients.empty()) common_.all_gone();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  virtual void durable() = 0;
  virtual void stop() = 0;

 protected:
  Common& common_;
};

std::optional<Refusal> judge(const bhttp::request<bhttp::string_body>& request, const ListenServer::Options& options) {
  const std::string_view target = request.target();
  const auto path = target.substr(0, target.find('?'));
  std::string_view wanted = options.path;
  const bool below = wanted.ends_with("/*");
  if (below) wanted.remove_suffix(1);
  if (below ? !path.starts_with(wanted) : path != wanted) return Refusal{404, "nothing is taken at this path"};
  if (!options.authorization.empty() && !authorized(request[bhttp::field::authorization], options.authorization))
    return Refusal{401, "log in"};
  if (std::ranges::find(options.methods, std::string_view(request.method_string())) == options.methods.end())
    return Refusal{405, "this method is not taken here"};
  const auto encoding = request[bhttp::field::content_encoding];
  if (!encoding.empty() && !same_ignoring_case(encoding, "gzip") && !same_ignoring_case(encoding, "identity"))
    return Refusal{415, "Content-Encoding: only gzip is understood"};
  return std::nullopt;
}

template <class Stream>
class Connection final : public Peer, public std::enable_shared_from_this<Connection<Stream>> {
 public:
  template <class... Tls>
  Connection(tcp::socket socket, Common& common, Tls&... tls)
      : Peer(common),
        stream_(std::move(socket), tls...),
        timer_(stream_.get_executor()),
        buffer_(common.options.max_header + 64 * KiB) {
    beast::error_code ignored;
    const auto remote = beast::get_lowest_layer(stream_).socket().remote_endpoint(ignored);
    if (!ignored) remote_ = remote.address().to_string();
  }
  ~Connection() override { let_go(); }

  void begin() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      lowest().expires_after(common_.options.timeout);
      stream_.async_handshake(ssl::stream_base::server, [self = this->shared_from_this()](beast::error_code error) {
        if (!error) self->read();
      });
    } else {
      read();
    }
  }

  void durable() override { reply({200, ""}, true); }

  void stop() override {
    if (waiting_ != 0) return give_up({503, "shutting down; send it again"});
    if (!writing_) lowest().close();  // it sent nothing, or not all of it
  }

 private:
  auto& lowest() { return beast::get_lowest_layer(stream_); }

  /// Ends what the request takes up here.
  void let_go() {
    if (std::exchange(reserved_, false)) common_.intake.release(reserved_bytes_);
    if (waiting_ != 0) common_.waiting.erase(std::exchange(waiting_, 0));
  }

  void read() {
    parser_.emplace();
    parser_->header_limit(common_.options.max_header);
    parser_->body_limit(common_.options.max_body);
    lowest().expires_after(common_.options.timeout);
    bhttp::async_read_header(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](beast::error_code error, std::size_t) { self->on_header(error); });
  }

  void on_header(beast::error_code error) {
    if (error == bhttp::error::end_of_stream) return close();
    if (error) return broken(error);
    const auto& request = parser_->get();
    if (const auto refusal = judge(request, common_.options)) return refuse(*refusal);
    // A body that does not say how large it is takes room as it comes.
    sized_ = parser_->content_length().has_value();
    reserved_bytes_ = parser_->content_length().value_or(0);
    reserved_ = common_.intake.reserve(reserved_bytes_);
    if (!reserved_) return refuse(behind());
    if (!same_ignoring_case(request[bhttp::field::expect], "100-continue")) return read_body();
    asio::async_write(stream_, asio::buffer(kContinue),
                      [self = this->shared_from_this()](beast::error_code failed, std::size_t) {
                        if (!failed) self->read_body();
                      });
  }

  void read_body() {
    if (!sized_) return read_some();
    bhttp::async_read(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](beast::error_code error, std::size_t) { self->on_body(error); });
  }

  void read_some() {
    if (parser_->is_done()) return on_body({});
    parser_->eager(true);
    bhttp::async_read_some(stream_, buffer_, *parser_,
                           [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                             if (error) return self->broken(error);
                             if (!self->fits(self->parser_->get().body().size())) return self->refuse(behind());
                             self->read_some();
                           });
  }

  bool fits(std::uint64_t bytes) {
    if (!common_.intake.resize(reserved_bytes_, bytes)) return false;
    reserved_bytes_ = bytes;
    return true;
  }

  void on_body(beast::error_code error) {
    if (error) return broken(error);
    auto& request = parser_->get();
    Arrival arrival;
    if (same_ignoring_case(request[bhttp::field::content_encoding], "gzip")) {
      const auto unpacked = gunzip(request.body(), common_.options.max_body, arrival.body);
      if (unpacked == Gunzip::too_large) return refuse({413, "the body is too large, unpacked"});
      if (unpacked == Gunzip::broken) return refuse({400, "the body is not the gzip that Content-Encoding says"});
    } else {
      arrival.body = std::move(request.body());
    }
    if (!fits(arrival.body.size())) return refuse(behind());
    const std::string_view target = request.target();
    const auto mark = target.find('?');
    arrival.method = request.method_string();
    arrival.path = target.substr(0, mark);
    if (mark != std::string_view::npos) arrival.query = target.substr(mark + 1);
    arrival.remote = remote_;
    for (const auto& field : request) {
      std::string name = field.name_string();
      for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      arrival.headers.emplace_back(std::move(name), field.value());
    }
    if (common_.stopping) return refuse({503, "shutting down; send it again"});
    arrival.id = waiting_ = common_.next_id++;
    common_.waiting.emplace(waiting_, this);
    owner_ = this->shared_from_this();  // nothing else is under way to keep it
    lowest().expires_never();
    wait(common_.options.max_wait, [this] {
      if (common_.intake.withdraw(waiting_)) return reply(behind(), true);
      wait(kLongestCommit, [this] { give_up({503, "not durable yet; it may arrive all the same"}); });
    });
    common_.intake.put(std::move(arrival));
    common_.listener.arrived();
  }

  template <class F>
  void wait(std::chrono::milliseconds time, F&& then) {
    timer_.expires_after(time);
    timer_.async_wait([self = this->shared_from_this(), id = waiting_, then](beast::error_code error) {
      if (!error && self->waiting_ == id && id != 0) then();
    });
  }

  void give_up(const Refusal& refusal) {
    common_.intake.withdraw(waiting_);
    reply(refusal, false);
  }

  /// The request could not be read to its end.
  void broken(beast::error_code error) {
    if (error == bhttp::error::header_limit) return refuse({431, "the header is too large"});
    if (error == bhttp::error::body_limit) return refuse({413, "the body is too large"});
    if (error == beast::error::timeout ||
        error.category() != bhttp::make_error_code(bhttp::error::bad_method).category())
      return let_go();  // it is gone, or too slow
    refuse({400, "this is no request: " + error.message()});
  }

  /// What follows on this connection may be the body of the refused one: it is closed.
  void refuse(const Refusal& refusal) {
    const bool whole = parser_->is_done() || (parser_->is_header_done() && parser_->content_length().value_or(1) == 0);
    reply(refusal, whole);
  }

  void reply(const Refusal& what, bool may_go_on) {
    let_go();
    timer_.cancel();
    const auto self = owner_ ? std::exchange(owner_, nullptr) : this->shared_from_this();
    if (what.status != 200) common_.listener.refused(what.status);
    const auto& request = parser_->get();
    response_ = {static_cast<bhttp::status>(what.status), parser_->is_header_done() ? request.version() : 11U};
    response_.set(bhttp::field::cache_control, "no-store");
    if (what.status == 401)
      response_.set(bhttp::field::www_authenticate,
                    common_.options.authorization.starts_with("Basic") ? "Basic realm=\"weir\"" : "Bearer");
    if (what.status == 405) {
      std::string allow;
      for (const auto& method : common_.options.methods) allow += (allow.empty() ? "" : ", ") + method;
      response_.set(bhttp::field::allow, allow);
    }
    if (what.status == 429 || what.status == 503) response_.set(bhttp::field::retry_after, "1");
    if (!what.why.empty()) {
      response_.set(bhttp::field::content_type, "text/plain; charset=utf-8");
      response_.body() = what.why + "\n";
    }
    response_.keep_alive(may_go_on && request.keep_alive() && !common_.stopping);
    response_.prepare_payload();
    writing_ = true;
    lowest().expires_after(common_.options.timeout);
    bhttp::async_write(stream_, response_, [self](beast::error_code error, std::size_t) { self->on_written(error); });
  }

  void on_written(beast::error_code error) {
    writing_ = false;
    if (error) return;
    if (!response_.keep_alive() || common_.stopping) return close();
    read();
  }

  void close() {
    lowest().expires_after(std::min<std::chrono::milliseconds>(common_.options.timeout, kLongestDrain));
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      stream_.async_shutdown([self = this->shared_from_this()](beast::error_code) { self->half_close(); });
    } else {
      half_close();
    }
  }

  void half_close() {
    beast::error_code error;
    lowest().socket().shutdown(tcp::socket::shutdown_send, error);
    if (!error) drain(0);
  }

  void drain(std::size_t so_far) {
    if (so_far > kMostDrained) return;
    lowest().async_read_some(asio::buffer(unwanted_),
                             [self = this->shared_from_this(), so_far](beast::error_code error, std::size_t size) {
                               if (!error) self->drain(so_far + size);
                             });
  }

  Stream stream_;
  asio::steady_timer timer_;
  beast::flat_buffer buffer_;
  std::string remote_;
  std::optional<bhttp::request_parser<bhttp::string_body>> parser_;
  bhttp::response<bhttp::string_body> response_;
  std::shared_ptr<Connection> owner_;  ///< itself, while its request waits
  std::uint64_t waiting_ = 0;          ///< the request that waits; 0: none
  bool sized_ = false;                 ///< it said how large its body is
  bool reserved_ = false;
  std::uint64_t reserved_bytes_ = 0;
  bool writing_ = false;
  std::array<char, 4096> unwanted_;
};

tcp::endpoint find_endpoint(asio::io_context& context, const std::string& host, std::uint16_t port) {
  beast::error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (!error) return {address, port};
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty())
    throw Misconfigured("listen: '" + host + "' is no address of this machine: " + error.message());
  for (const auto& entry : found) {  // `localhost` is often both
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

}  // namespace

class ListenServer::Server {
 public:
  Server(Options options, Intake& intake, Listener listener)
      : common_{std::move(options), intake, std::move(listener)}, acceptor_(context_), pause_(context_) {
    if (!common_.options.cert.empty()) open_tls();
    open(find_endpoint(context_, common_.options.host, common_.options.port));
    accept();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Server() {
    asio::post(context_, [this] { stop(); });
    thread_.join();
    common_.all_gone = [] {};  // the last ones go with the context
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void answer(std::vector<std::uint64_t> ids) {
    asio::post(context_, [this, ids = std::move(ids)] {
      for (const auto id : ids) {
        if (const auto found = common_.waiting.find(id); found != common_.waiting.end()) found->second->durable();
      }
    });
  }
  std::uint16_t port() const { return port_; }

 private:
  void open_tls() {
    const auto& o = common_.options;
    tls_.emplace(ssl::context::tls_server);
    beast::error_code error;
    const auto check = [&](const std::string& what) {
      if (error) throw Misconfigured("tls: cannot use " + what + ": " + error.message());
    };
    tls_->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                          ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1,
                      error);
    check("TLS 1.2");
    tls_->use_certificate_chain_file(o.cert, error);
    check("the certificate '" + o.cert + "'");
    tls_->use_private_key_file(o.key, ssl::context::pem, error);
    check("the key '" + o.key + "'");
    if (o.client_ca.empty()) return;
    tls_->load_verify_file(o.client_ca, error);
    check("the authorities '" + o.client_ca + "'");
    tls_->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  }

  void open(const tcp::endpoint& endpoint) {
    beast::error_code error;
    const auto where = common_.options.host + ":" + std::to_string(common_.options.port);
    const auto check = [&] {
      if (!error) return;
      const auto message = "cannot listen on " + where + ": " + error.message();
      if (error == asio::error::address_in_use) throw Unavailable(message);
      throw Misconfigured(message);
    };
    acceptor_.open(endpoint.protocol(), error);
    check();
    acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    check();
    acceptor_.bind(endpoint, error);
    check();
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
    check();
    port_ = acceptor_.local_endpoint().port();
  }

  void accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (common_.stopping || error == asio::error::operation_aborted) return;
      if (error) return retry();
      beast::error_code ignored;
      if (common_.clients.size() >= common_.options.max_connections) {
        socket.non_blocking(true, ignored);
        if (!tls_) socket.send(asio::buffer(kBusy.data(), kBusy.size()), 0, ignored);
        common_.listener.refused(503);
      } else {
        socket.set_option(tcp::no_delay(true), ignored);
        if (tls_) {
          std::make_shared<Connection<TlsStream>>(std::move(socket), common_, *tls_)->begin();
        } else {
          std::make_shared<Connection<PlainStream>>(std::move(socket), common_)->begin();
        }
      }
      accept();
    });
  }

  /// Accepting failed, for want of file descriptors most likely: that passes, and until then must not spin.
  void retry() {
    pause_.expires_after(std::chrono::milliseconds(100));
    pause_.async_wait([this](beast::error_code error) {
      if (!error && !common_.stopping) accept();
    });
  }

  void stop() {
    common_.stopping = true;
    common_.all_gone = [this] { context_.stop(); };
    beast::error_code ignored;
    acceptor_.close(ignored);
    if (common_.clients.empty()) return context_.stop();
    const auto clients = common_.clients;
    for (auto* client : clients) client->stop();
    pause_.expires_after(kLongestDrain);
    pause_.async_wait([this](beast::error_code) { context_.stop(); });
  }

  Common common_;  // outlives the connections, which the context's handlers own
  std::optional<ssl::context> tls_;
  asio::io_context context_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

ListenServer::ListenServer(Options options, Intake& intake, Listener listener)
    : server_(std::make_unique<Server>(std::move(options), intake, std::move(listener))) {}

ListenServer::~ListenServer() = default;

void ListenServer::answer(std::vector<std::uint64_t> ids) {
  server_->answer(std::move(ids));
}

std::uint16_t ListenServer::port() const {
  return server_->port();
}

std::string basic_authorization(const std::string& user, const std::string& password) {
  return "Basic " + basic_credentials(user, password);
}

}  // namespace weir::http

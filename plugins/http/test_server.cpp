#include "test_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstdlib>
#include <fstream>
#include <list>
#include <stdexcept>
#include <thread>

namespace weir::http::testing {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = beast::http;
using asio::ip::tcp;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

}  // namespace

Certificates::Certificates() {
  auto name = (std::filesystem::temp_directory_path() / "weir-http-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  folder_ = name;
  std::ofstream(folder_ / "names") << "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
  const std::string new_key = " -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  std::string script = "cd '" + folder_.string() + "' && (";
  for (const std::string ca : {"ca", "other"})
    script +=
        "openssl req -x509 -days 2 -subj /CN=weir-" + ca + new_key + " -keyout " + ca + ".key -out " + ca + ".pem && ";
  script += "openssl req -subj /CN=server" + new_key + " -keyout server.key -out server.csr && ";
  script +=
      "openssl x509 -req -days 2 -CAcreateserial -in server.csr -CA ca.pem -CAkey ca.key -extfile names -out "
      "server.pem";
  script += ") > log 2>&1";
  if (std::system(script.c_str()) != 0) throw std::runtime_error("openssl failed; see " + (folder_ / "log").string());
}

Certificates::~Certificates() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

class TestServer::Acceptor {
 public:
  Acceptor(TestServer& server, const Certificates* tls, std::uint16_t port)
      : server_(server), acceptor_(context_, {asio::ip::make_address("127.0.0.1"), port}) {
    if (tls != nullptr) {
      tls_.emplace(asio::ssl::context::tls_server);
      tls_->use_certificate_chain_file(tls->certificate());
      tls_->use_private_key_file(tls->key(), asio::ssl::context::pem);
    }
    thread_ = std::thread([this] { accept(); });
  }
  ~Acceptor() {
    stopping_ = true;
    // Something to accept is what ends the thread that accepts.
    beast::error_code ignored;
    tcp::socket last(context_);
    last.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
    {
      const std::lock_guard lock(mutex_);
      for (auto& connection : connections_) ::shutdown(connection.socket, SHUT_RDWR);
    }
    for (auto& connection : connections_) connection.thread.join();
  }
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  struct Connection {
    int socket = -1;
    std::thread thread;
  };

  void accept() {
    while (true) {
      beast::error_code error;
      tcp::socket socket(context_);
      acceptor_.accept(socket, error);
      if (error || stopping_) return;
      const std::lock_guard lock(mutex_);
      auto& connection = connections_.emplace_back();
      connection.socket = socket.native_handle();
      // The socket stays open until the server is gone, so that its number cannot be another's.
      auto shared = std::make_shared<tcp::socket>(std::move(socket));
      connection.thread = std::thread([this, shared, &connection] {
        const auto keep = connection.socket;
        if (tls_) {
          asio::ssl::stream<tcp::socket&> stream(*shared, *tls_);
          beast::error_code refused;
          stream.handshake(asio::ssl::stream_base::server, refused);
          if (!refused) serve(stream);
        } else {
          serve(*shared);
        }
        ::shutdown(keep, SHUT_RDWR);
      });
    }
  }

  template <class Stream>
  void serve(Stream& stream) {
    beast::flat_buffer buffer;
    while (!stopping_) {
      beast::error_code error;
      bhttp::request_parser<bhttp::string_body> parser;
      parser.body_limit(256 << 20);
      bhttp::read(stream, buffer, parser, error);
      if (error) return;
      const auto& request = parser.get();
      Call call{request.method_string(), request.target(), {}, request.body()};
      for (const auto& field : request) call.headers[lower(field.name_string())] = field.value();
      {
        const std::lock_guard lock(server_.mutex_);
        server_.calls_.push_back(call);
      }
      const auto reply = server_.handler_(call);
      if (reply.hang_up) return;
      bhttp::response<bhttp::string_body> response(static_cast<bhttp::status>(reply.status), request.version());
      for (const auto& [name, value] : reply.headers) response.set(name, value);
      response.body() = reply.body;
      response.keep_alive(request.keep_alive());
      response.prepare_payload();
      bhttp::write(stream, response, error);
      if (error || !response.keep_alive()) return;
    }
  }

  TestServer& server_;
  asio::io_context context_;
  std::optional<asio::ssl::context> tls_;
  tcp::acceptor acceptor_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::list<Connection> connections_;
  std::thread thread_;
};

TestServer::TestServer(Handler handler, const Certificates* tls, std::uint16_t port)
    : handler_(std::move(handler)), tls_(tls != nullptr), acceptor_(std::make_unique<Acceptor>(*this, tls, port)) {
  port_ = acceptor_->port();
}

TestServer::~TestServer() = default;

std::string TestServer::url(const std::string& path) const {
  return std::string(tls_ ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_) + path;
}

std::vector<Call> TestServer::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

}  // namespace weir::http::testing

#pragma once
// A TCP connection, in the clear or within TLS, as Beast and Asio read and write it. For the few files that speak HTTP.

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <memory>
#include <string>
#include <utility>

#include "tls/tls.h"

namespace weir::api {

/// One read and one write may be under way at a time; both end at the deadline of tcp(). A server shakes hands while it
/// reads, so that this too ends there.
class ByteStream {
 public:
  using executor_type = boost::beast::tcp_stream::executor_type;
  using Error = boost::beast::error_code;

  explicit ByteStream(boost::asio::ip::tcp::socket socket) : tcp_(std::move(socket)) {}
  explicit ByteStream(boost::asio::io_context& context) : tcp_(context) {}

  executor_type get_executor() { return tcp_.get_executor(); }
  boost::beast::tcp_stream& tcp() { return tcp_; }
  const boost::beast::tcp_stream& tcp() const { return tcp_; }
  /// From now on within TLS.
  void encrypt(std::unique_ptr<tls::Session> session) {
    secret_ = std::make_unique<Secret>(tcp_.get_executor(), std::move(session));
  }
  bool encrypted() const { return secret_ != nullptr; }
  /// The client spoke plain HTTP where TLS was due: it gets a plain answer.
  bool spoke_plainly() const { return secret_ && secret_->plain; }
  void decrypt() { secret_.reset(); }
  /// Why TLS failed; empty: it has not.
  std::string problem() const { return secret_ ? secret_->session->problem() : std::string(); }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_compose<Token, void(Error, std::size_t)>(Read<Buffers>{*this, buffers}, token, tcp_);
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_compose<Token, void(Error, std::size_t)>(Write<Buffers>{*this, buffers}, token, tcp_);
  }
  /// Of a client. `token`: void(Error).
  template <class Token>
  auto async_handshake(Token&& token) {
    return boost::asio::async_compose<Token, void(Error)>(Handshake{*this}, token, tcp_);
  }
  /// Sends that nothing more comes. `token`: void(Error).
  template <class Token>
  auto async_shutdown(Token&& token) {
    return boost::asio::async_compose<Token, void(Error)>(Shutdown{*this}, token, tcp_);
  }

 private:
  struct Secret {
    Secret(const executor_type& executor, std::unique_ptr<tls::Session> tls)
        : session(std::move(tls)), sent(executor, boost::asio::steady_timer::time_point::max()) {}

    std::unique_ptr<tls::Session> session;
    std::array<char, tls::Session::kMostAtOnce> in;
    std::array<char, tls::Session::kMostAtOnce> plain_out;
    std::string out;                 ///< on its way
    bool sending = false;            ///< `out` is, for the read or the write
    boost::asio::steady_timer sent;  ///< cancelled when it is no more: who waits for its turn waits here
    bool first = true;               ///< nothing has come yet
    bool plain = false;
  };

  static Error failure() { return make_error_code(boost::system::errc::protocol_error); }

  /// Sends what output there is, then goes on with `self`. False: there is none.
  template <class Self>
  bool send_output(Self& self) {
    secret_->out = secret_->session->take_output();
    if (secret_->out.empty()) return false;
    secret_->sending = true;
    boost::asio::async_write(tcp_, boost::asio::buffer(secret_->out), std::move(self));
    return true;
  }
  void output_sent() {
    secret_->sending = false;
    secret_->sent.cancel();
  }
  /// Takes in what the network brought. False: it is no TLS.
  bool feed(std::size_t size) {
    const std::string_view bytes(secret_->in.data(), size);
    // A handshake's record begins with 22; a method of HTTP with a letter.
    if (std::exchange(secret_->first, false) && bytes[0] >= 'A' && bytes[0] <= 'Z') {
      secret_->plain = true;
      return false;
    }
    secret_->session->feed(bytes);
    return true;
  }

  template <class Buffers>
  struct Read {
    ByteStream& stream;
    Buffers buffers;
    enum class At { begin, plain, receive, send, fail, post } at = At::begin;
    std::size_t result = 0;
    Error why{};

    template <class Self>
    void operator()(Self& self, Error error = {}, std::size_t size = 0) {
      auto& secret = stream.secret_;
      switch (at) {
        case At::begin:
          if (!secret) {
            at = At::plain;
            return stream.tcp_.async_read_some(buffers, std::move(self));
          }
          break;
        case At::plain:
          return self.complete(error, size);
        case At::receive:
          if (error) return self.complete(error, 0);
          if (!stream.feed(size)) return self.complete(failure(), 0);
          break;
        case At::send:
          stream.output_sent();
          if (error) return self.complete(error, 0);
          break;
        case At::fail:
          stream.output_sent();
          return self.complete(why, 0);
        case At::post:
          return self.complete(why, result);
      }
      step(self);
    }

    template <class Self>
    void step(Self& self) {
      auto& secret = *stream.secret_;
      boost::asio::mutable_buffer to;
      for (auto each = boost::asio::buffer_sequence_begin(buffers);
           each != boost::asio::buffer_sequence_end(buffers) && to.size() == 0; ++each)
        to = *each;
      why = {};
      auto progress = tls::Progress::done;
      if (to.size() != 0) progress = secret.session->read(static_cast<char*>(to.data()), to.size(), result);
      if (progress == tls::Progress::done || progress == tls::Progress::ended) {
        if (progress == tls::Progress::ended) why = boost::asio::error::eof;
        at = At::post;
        return boost::asio::post(stream.get_executor(), std::move(self));
      }
      at = progress == tls::Progress::failed ? At::fail : At::send;
      why = failure();
      // While a write is under way it sends what there is when it has ended.
      if (!secret.sending && stream.send_output(self)) return;
      if (progress == tls::Progress::failed) {
        at = At::post;
        return boost::asio::post(stream.get_executor(), std::move(self));
      }
      at = At::receive;
      stream.tcp_.async_read_some(boost::asio::buffer(secret.in), std::move(self));
    }
  };

  /// Waits for its turn, has `encode` make output, and sends it.
  template <class Self, class Encode>
  bool write_output(Self& self, bool& encoded, Error error, const Encode& encode, Error& result) {
    if (!encoded && secret_->sending) {  // the read's answer to a message of the protocol
      secret_->sent.async_wait(std::move(self));
      return true;
    }
    if (!encoded) {
      encoded = true;
      if (!encode()) {
        result = failure();
        return false;
      }
    } else {
      output_sent();
      if (error) {
        result = error;
        return false;
      }
    }
    return send_output(self);
  }

  template <class Buffers>
  struct Write {
    ByteStream& stream;
    Buffers buffers;
    bool begun = false;
    bool encoded = false;
    bool posted = false;
    std::size_t size = 0;
    Error result{};

    template <class Self>
    void operator()(Self& self, Error error = {}, std::size_t sent = 0) {
      if (posted) return self.complete(result, 0);
      if (!stream.secret_) {
        if (begun) return self.complete(error, sent);
        begun = true;
        return stream.tcp_.async_write_some(buffers, std::move(self));
      }
      const auto encode = [this] {
        auto& out = stream.secret_->plain_out;
        size = boost::asio::buffer_copy(boost::asio::buffer(out), buffers);
        return size == 0 || stream.secret_->session->write({out.data(), size}) == tls::Progress::done;
      };
      const bool first = !std::exchange(begun, true);
      if (stream.write_output(self, encoded, error, encode, result)) return;
      if (!first) return self.complete(result, result ? 0 : size);
      posted = true;  // not from within the call that began it
      boost::asio::post(stream.get_executor(), std::move(self));
    }
  };

  struct Shutdown {
    ByteStream& stream;
    bool encoded = false;
    bool posted = false;
    Error result{};

    template <class Self>
    void operator()(Self& self, Error error = {}, std::size_t = 0) {
      if (posted) return self.complete(result);
      const auto encode = [this] {
        stream.secret_->session->close();
        return true;
      };
      if (stream.secret_ && stream.write_output(self, encoded, error, encode, result)) return;
      if (!result) stream.tcp_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, result);
      posted = true;
      boost::asio::post(stream.get_executor(), std::move(self));
    }
  };

  struct Handshake {
    ByteStream& stream;
    enum class At { begin, receive, send, fail } at = At::begin;

    template <class Self>
    void operator()(Self& self, Error error = {}, std::size_t size = 0) {
      auto& secret = *stream.secret_;
      if (at == At::send || at == At::fail) stream.output_sent();
      if (error || at == At::fail) return self.complete(error ? error : failure());
      if (at == At::receive) {
        secret.first = false;
        secret.session->feed({secret.in.data(), size});
      }
      const auto progress = secret.session->handshake();
      at = progress == tls::Progress::failed ? At::fail : At::send;
      if (stream.send_output(self)) return;
      if (progress == tls::Progress::done) return self.complete({});
      if (progress != tls::Progress::needs_input) return self.complete(failure());
      at = At::receive;
      stream.tcp_.async_read_some(boost::asio::buffer(secret.in), std::move(self));
    }
  };

  boost::beast::tcp_stream tcp_;
  std::unique_ptr<Secret> secret_;
};

}  // namespace weir::api

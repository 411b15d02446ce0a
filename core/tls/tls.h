#pragma once
// TLS as a codec: bytes of the network in, bytes of the network out, and plain text between. It knows no sockets, and
// whoever uses it no OpenSSL.
//
// OpenSSL is in a library of its own, weir-tls.so, which library() loads when the first one asks for TLS: a Weir that
// speaks plain HTTP on loopback neither loads nor initialises it (2 ms and 3 MiB of a process that starts in 20 ms).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace weir::tls {

/// How far a step came.
enum class Progress {
  done,
  needs_input,  ///< give it what the network brought, then try again
  ended,        ///< the other side has said that it sends no more
  failed        ///< problem() says why; what output there is tells the other side
};

/// One connection's side. One thread at a time. After every call there may be output to send.
class Session {
 public:
  virtual ~Session() = default;
  /// Bytes that came from the network.
  virtual void feed(std::string_view bytes) = 0;
  /// Bytes for the network; empty: none.
  virtual std::string take_output() = 0;
  virtual Progress handshake() = 0;
  /// Reads up to `size` plain bytes; a server shakes hands on the way. `read` is how many.
  virtual Progress read(char* to, std::size_t size, std::size_t& read) = 0;
  /// Takes all of `plain`, which is at most kMostAtOnce. After the handshake only.
  virtual Progress write(std::string_view plain) = 0;
  /// Says that nothing more will be sent.
  virtual void close() = 0;
  /// For the log, or for the one who asked.
  virtual const std::string& problem() const = 0;

  static constexpr std::size_t kMostAtOnce = 16 * 1024;  ///< a record of TLS
};

/// What a server shows its clients. Any thread.
class Server {
 public:
  virtual ~Server() = default;
  /// A new connection. Looks, at most once a second, whether the files have changed, and takes new ones if they fit
  /// together; until they do, what was read before stays.
  virtual std::unique_ptr<Session> accept() = 0;
  /// When the certificate ends: seconds since 1970.
  virtual std::int64_t valid_until() const = 0;
};

/// Whom a client believes.
class Client {
 public:
  virtual ~Client() = default;
  /// A connection to `host`, whose certificate has to name it. `host` is a name or an address.
  virtual std::unique_ptr<Session> connect(const std::string& host) = 0;
};

struct ServerFiles {
  std::string certificate;  ///< PEM: the server's own first, then those between it and the authority
  std::string key;          ///< PEM, without a passphrase
};

/// What weir-tls.so gives.
class Library {
 public:
  virtual ~Library() = default;
  /// `notice` gets what the operator has to know (ends soon, cannot be read any more), from any thread. Throws
  /// std::runtime_error with what is wrong with the files, and what to do.
  virtual std::unique_ptr<Server> server(const ServerFiles& files,
                                         std::function<void(const std::string&)> notice) const = 0;
  /// `authorities`: a file of PEM certificates; empty: those that the system trusts. Throws std::runtime_error.
  virtual std::unique_ptr<Client> client(const std::string& authorities) const = 0;
};

/// Loads weir-tls.so: `lib/weir` beside the executable (a build), or `../lib/weir` from there (an installation). Throws
/// std::runtime_error if it is not there, or OpenSSL is not.
const Library& library();

/// The one function of weir-tls.so, under this name.
inline constexpr const char* kEntry = "weir_tls_library";
using Entry = const Library* (*)();

}  // namespace weir::tls

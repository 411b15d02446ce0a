// weir-tls.so: TLS 1.2 and 1.3 by OpenSSL.
//
// What is offered is the "intermediate" advice of Mozilla's server side TLS guide, without what has no forward secrecy
// or no authenticated encryption. There is no session to resume: a page and a verb keep their connection, and a
// ticket's key would be one more secret in memory.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "tls/tls.h"

namespace weir::tls {

namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Context = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Deleter<SSL_free>>;

constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";  // of TLS 1.2; those of 1.3 are all good
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr auto kLookAgain = std::chrono::seconds(1);
constexpr auto kRemindAgain = std::chrono::hours(24);
constexpr std::int64_t kDay = 24 * 60 * 60;
constexpr std::int64_t kSoon = 14 * kDay;

/// The oldest error of this thread's queue, which is emptied: the first one is the cause of the rest.
std::string openssl_error() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* const reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

class OpensslSession final : public Session {
 public:
  explicit OpensslSession(SSL_CTX* context) : ssl_(SSL_new(context)) {
    BIO* const in = BIO_new(BIO_s_mem());
    BIO* const out = BIO_new(BIO_s_mem());
    if (!ssl_ || in == nullptr || out == nullptr) throw std::bad_alloc();
    SSL_set_bio(ssl_.get(), in, out);
  }

  void feed(std::string_view bytes) override {
    if (BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size())) !=
        static_cast<int>(bytes.size()))
      throw std::bad_alloc();
  }
  std::string take_output() override {
    BIO* const out = SSL_get_wbio(ssl_.get());
    std::string bytes(BIO_ctrl_pending(out), '\0');
    if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  Progress handshake() override {
    ERR_clear_error();
    return progress(SSL_do_handshake(ssl_.get()));
  }
  Progress read(char* to, std::size_t size, std::size_t& read) override {
    ERR_clear_error();
    read = 0;
    return progress(SSL_read_ex(ssl_.get(), to, size, &read));
  }
  Progress write(std::string_view plain) override {
    ERR_clear_error();
    std::size_t written = 0;
    return progress(SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written));
  }
  void close() override {
    ERR_clear_error();
    if (SSL_is_init_finished(ssl_.get())) SSL_shutdown(ssl_.get());
  }
  const std::string& problem() const override { return problem_; }

  SSL* ssl() { return ssl_.get(); }

 private:
  Progress progress(int result) {
    if (result > 0) return Progress::done;
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:  // never: a memory BIO takes all
        return Progress::needs_input;
      case SSL_ERROR_ZERO_RETURN:
        return Progress::ended;
      default:
        break;
    }
    const auto verified = SSL_get_verify_result(ssl_.get());
    problem_ = openssl_error();
    if (verified != X509_V_OK && SSL_is_server(ssl_.get()) == 0) problem_ = X509_verify_cert_error_string(verified);
    return Progress::failed;
  }

  Ssl ssl_;
  std::string problem_;
};

Context make_context(const SSL_METHOD* method) {
  Context context(SSL_CTX_new(method));
  if (!context) throw std::runtime_error("OpenSSL gives no context: " + openssl_error());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  if (SSL_CTX_set_cipher_list(context.get(), kCiphers) != 1 || SSL_CTX_set1_groups_list(context.get(), kGroups) != 1)
    throw std::runtime_error("this OpenSSL lacks what TLS needs: " + openssl_error());
  return context;
}

/// Of a file: changes whenever it is replaced or written.
struct Stamp {
  ::dev_t device = 0;
  ::ino_t inode = 0;
  ::off_t size = 0;
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  bool operator==(const Stamp&) const = default;
};

Stamp stamp_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
}

void check_readable(const char* option, const std::string& path) {
  struct stat found{};
  std::FILE* file = nullptr;
  errno = 0;
  const bool is_file = ::stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode);
  if (is_file) file = std::fopen(path.c_str(), "re");
  if (file == nullptr) {
    throw std::runtime_error(std::string("cannot read ") + option + " " + path + ": " +
                             (errno != 0 ? std::strerror(errno) : "it is no file"));
  }
  std::fclose(file);
}

/// For a key with a passphrase there is nobody to ask.
int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

int choose_http(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned in_size,
                void*) {
  static constexpr unsigned char kProtocols[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, size, kProtocols, sizeof kProtocols - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::int64_t end_of(SSL_CTX* context) {
  std::tm parts{};
  const X509* const certificate = SSL_CTX_get0_certificate(context);
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return 0;
  return ::timegm(&parts);
}

Context load(const ServerFiles& files) {
  check_readable("--tls-cert", files.certificate);
  check_readable("--tls-key", files.key);
  auto context = make_context(TLS_server_method());
  SSL_CTX_set_alpn_select_cb(context.get(), choose_http, nullptr);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
    throw std::runtime_error("--tls-cert " + files.certificate + " has no certificate in PEM that can be used (" +
                             openssl_error() + "); it begins with -----BEGIN CERTIFICATE-----");
  }
  bool asked = false;
  SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), &asked);
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    const auto code = ERR_peek_error();
    const auto why = openssl_error();
    if (asked) {
      throw std::runtime_error("--tls-key " + files.key +
                               " is encrypted, and there is nobody to ask for its passphrase: write it without one "
                               "(openssl pkey -in KEY -out NEW), readable by Weir's user alone");
    }
    if (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH || ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH) {
      throw std::runtime_error("--tls-key " + files.key + " is not the key of the first certificate in " +
                               files.certificate + "; the server's own certificate comes first there");
    }
    throw std::runtime_error("--tls-key " + files.key + " has no private key in PEM (" + why + ")");
  }
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), nullptr);
  if (SSL_CTX_check_private_key(context.get()) != 1) {
    throw std::runtime_error("--tls-key " + files.key + " is not the key of " + files.certificate + ": " +
                             openssl_error());
  }
  return context;
}

std::string date_of(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  char text[32];
  ::gmtime_r(&time, &parts);
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts));
}

class OpensslServer final : public Server {
 public:
  OpensslServer(ServerFiles files, std::function<void(const std::string&)> notice)
      : files_(std::move(files)), notice_(std::move(notice)), stamps_(stamps()), context_(load(files_)) {
    struct stat found{};
    if (::stat(files_.key.c_str(), &found) == 0 && (found.st_mode & S_IROTH) != 0)
      notice_("everyone on this machine can read --tls-key " + files_.key + ": chmod o-r it");
    remind(Clock::now());
  }

  std::unique_ptr<Session> accept() override {
    const std::lock_guard lock(mutex_);
    refresh();
    auto session = std::make_unique<OpensslSession>(context_.get());
    SSL_set_accept_state(session->ssl());
    return session;
  }
  std::int64_t valid_until() const override {
    const std::lock_guard lock(mutex_);
    return end_of(context_.get());
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Stamps = std::pair<Stamp, Stamp>;

  Stamps stamps() const { return {stamp_of(files_.certificate), stamp_of(files_.key)}; }

  void refresh() {
    const auto now = Clock::now();
    if (now - looked_ < kLookAgain) return;
    looked_ = now;
    if (now - reminded_ >= kRemindAgain) remind(now);
    const auto found = stamps();
    if (found == stamps_) return;
    stamps_ = found;
    try {
      context_ = load(files_);
    } catch (const std::exception& error) {  // one file of two, perhaps: the other's change brings us here again
      notice_(std::string("the new TLS certificate is not used, the one before stays: ") + error.what());
      return;
    }
    notice_("a new TLS certificate is used, valid until " + date_of(end_of(context_.get())));
    remind(now);
  }

  void remind(Clock::time_point now) {
    reminded_ = now;
    const auto end = end_of(context_.get());
    const auto left = end - std::time(nullptr);
    if (left < 0) {
      notice_("the TLS certificate " + files_.certificate + " has ended on " + date_of(end) +
              ": clients refuse it; put a new one in its place");
    } else if (left < kSoon) {
      notice_("the TLS certificate " + files_.certificate + " ends on " + date_of(end) + ", in " +
              std::to_string(left / kDay) + " days: put a new one in its place");
    }
  }

  const ServerFiles files_;
  const std::function<void(const std::string&)> notice_;
  mutable std::mutex mutex_;
  Stamps stamps_;  // of before the files were read: a change in between is seen as one
  Context context_;
  Clock::time_point looked_ = Clock::now();
  Clock::time_point reminded_{};
};

class OpensslClient final : public Client {
 public:
  explicit OpensslClient(const std::string& authorities) : context_(make_context(TLS_client_method())) {
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    if (authorities.empty()) {
      SSL_CTX_set_default_verify_paths(context_.get());
      return;
    }
    check_readable("--ca", authorities);
    ERR_clear_error();
    if (SSL_CTX_load_verify_locations(context_.get(), authorities.c_str(), nullptr) != 1)
      throw std::runtime_error("--ca " + authorities + " has no certificate in PEM: " + openssl_error());
  }

  std::unique_ptr<Session> connect(const std::string& host) override {
    auto session = std::make_unique<OpensslSession>(context_.get());
    SSL* const ssl = session->ssl();
    SSL_set_connect_state(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) != 1) {  // no address, then: a name
      ERR_clear_error();
      SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      if (SSL_set1_host(ssl, host.c_str()) != 1 || SSL_set_tlsext_host_name(ssl, host.c_str()) != 1)
        throw std::runtime_error("'" + host + "' is no name of a server");
    }
    return session;
  }

 private:
  Context context_;
};

class OpensslLibrary final : public Library {
 public:
  std::unique_ptr<Server> server(const ServerFiles& files,
                                 std::function<void(const std::string&)> notice) const override {
    return std::make_unique<OpensslServer>(files, std::move(notice));
  }
  std::unique_ptr<Client> client(const std::string& authorities) const override {
    return std::make_unique<OpensslClient>(authorities);
  }
};

}  // namespace

}  // namespace weir::tls

extern "C" __attribute__((visibility("default"))) const weir::tls::Library* weir_tls_library() {
  static const weir::tls::OpensslLibrary library;
  return &library;
}

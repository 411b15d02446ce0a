#pragma once
// A bucket of an S3-compatible store: the operations that the processors need, signed, with errors sorted.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "credentials.h"
#include "http.h"
#include "weir/errors.h"
#include "weir/spec.h"

namespace weir::s3 {

struct TlsSettings {
  std::optional<std::string> ca;
  std::optional<std::string> cert;
  std::optional<std::string> key;
  bool verify = true;
  static const Fields<TlsSettings>& fields();
};

/// What S3Sink and S3Source have in common.
struct ConnectionSettings {
  std::optional<std::string> endpoint;
  std::string bucket;
  std::optional<std::string> region;
  std::string addressing = "auto";
  std::optional<std::string> access_key;
  std::optional<std::string> secret_key;
  std::optional<std::string> session_token;
  std::optional<std::string> profile;
  std::optional<TlsSettings> tls;
  Duration connect_timeout = std::chrono::seconds(10);
  Duration timeout = std::chrono::seconds(30);
  std::optional<std::string> customer_key;  ///< SSE-C: 32 bytes, in base64
};

/// Where a bucket is.
struct Address {
  std::string base;  ///< scheme and host, with the bucket's name where it is part of the host
  std::string host;  ///< as in the Host header
  std::string path;  ///< "" or "/bucket"
  std::string region;
};

/// Throws Misconfigured where the settings make no address.
Address address_of(const ConnectionSettings& settings);

/// What an answer says is wrong, with S3's code. Thrown where the caller has to tell: all else comes as Misconfigured
/// or Unavailable.
struct Refused {
  int status = 0;
  std::string code;
  std::string message;
};

struct Object {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;      ///< with its quotes
  std::string modified;  ///< as S3 writes it, RFC 3339
};

struct Listing {
  std::vector<Object> objects;
  std::string next;  ///< continuation token; empty: that was all
};

struct Head {
  bool hidden = false;  ///< these credentials may not look
  std::uint64_t size = 0;
  std::string etag;
  Pairs metadata;  ///< of x-amz-meta-: names without it
  std::string meta(std::string_view name) const;
};

enum class Checksum { none, md5, sha256 };

/// There is no such multipart upload any more: it was ended, or aborted.
struct UploadGone : Unavailable {
  using Unavailable::Unavailable;
};

/// The store does not have parts of an upload that it has acknowledged. MinIO, when it is killed while it ends an
/// upload, has neither its parts then nor the object.
struct PartsGone : Unavailable {
  using Unavailable::Unavailable;
};

/// What is written with an object.
struct ObjectOptions {
  Pairs headers;  ///< content type, storage class, encryption, ACL, metadata
  Checksum checksum = Checksum::md5;
};

/// One connection to the store, used from one thread at a time. Every function throws Unavailable where the store does
/// not answer or asks to be tried later, and Misconfigured where trying again will not help: wrong keys, no such
/// bucket, another region, no permission.
class Client {
 public:
  Client(const ConnectionSettings& settings, std::shared_ptr<CredentialChain> credentials, Cancelled cancelled = {});

  /// Asks for something that costs little, to find wrong settings before there is data. Not being allowed to list is no
  /// error.
  void check();

  enum class Put { done, exists, condition_unknown };
  /// Writes an object. `only_new`: with If-None-Match; `exists` where the store says that there is one, and
  /// `condition_unknown` where it does not know that header.
  Put put(const std::string& key, const Body& body, const ObjectOptions& options, bool only_new);

  struct Stored {
    std::string bytes;
    std::string etag;
  };
  /// All of a small object; nothing: there is none.
  std::optional<Stored> read(const std::string& key);
  /// Writes over the object only while it has this ETag, or, without one, only where there is none. Returns its new
  /// ETag; nothing: the store has not written it.
  std::optional<std::string> replace(const std::string& key, const std::string& bytes, const ObjectOptions& options,
                                     const std::string& etag);

  /// Parts of an object that nobody sees before its upload is ended. The later functions throw UploadGone.
  std::string begin_upload(const std::string& key, const ObjectOptions& options);
  struct Part {
    std::string etag;
    std::string checksum;  ///< of sha256, in base64
  };
  Part put_part(const std::string& key, const std::string& upload, unsigned number, const Body& body,
                const ObjectOptions& options);
  /// Throws PartsGone, too.
  Put end_upload(const std::string& key, const std::string& upload, const std::vector<Part>& parts,
                 const ObjectOptions& options, bool only_new);
  /// Also where there is no such upload any more.
  void abort_upload(const std::string& key, const std::string& upload);

  std::optional<Head> head(const std::string& key);
  struct Piece {
    std::string bytes;
    bool changed = false;  ///< the object is gone, or another one than `etag` says
  };
  /// Bytes of the object, fewer at its end.
  Piece get(const std::string& key, std::uint64_t offset, std::uint64_t size, const std::string& etag);
  /// Keys that begin with the prefix, in the order of their UTF-8 bytes, behind `after`.
  Listing list(const std::string& prefix, const std::string& after, const std::string& token, unsigned most = 1000);
  void remove(const std::string& key);

  /// What the store said it is with its last answer, as `MinIO`; empty: nothing.
  const std::string& server() const { return server_; }
  /// s3://bucket/key
  std::string uri(const std::string& key) const { return "s3://" + settings_.bucket + '/' + key; }

 private:
  struct Request {
    std::string method;
    std::string key;
    Pairs query = {};
    Pairs headers = {};
    Body body = {};
    std::string payload_hash = {};  ///< of a body in memory it is computed
  };
  HttpResponse send(const Request& request);
  HttpResponse send_once(const Request& request);
  /// Throws what the answer means for whoever waits for it.
  [[noreturn]] void fail(const Request& request, const HttpResponse& response) const;
  /// Hash of the payload; adds the checksum's headers.
  Part add_checksums(Request& request, const ObjectOptions& options) const;
  void add_customer_key(Pairs& headers) const;

  ConnectionSettings settings_;
  Address address_;
  std::shared_ptr<CredentialChain> credentials_;
  HttpConnection http_;
  Cancelled cancelled_;
  std::string server_;
  std::int64_t clock_offset_ = 0;  ///< seconds that the store's clock is ahead of ours
};

/// What went wrong, by S3's code and message, or by the status alone.
Refused refused(const HttpResponse& response);

/// The settings as the parts of a client.
std::shared_ptr<CredentialChain> credentials_of(const ConnectionSettings& settings);
HttpOptions http_options(const ConnectionSettings& settings);

}  // namespace weir::s3

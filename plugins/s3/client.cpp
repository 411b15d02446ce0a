#include "client.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <random>
#include <thread>

#include "digest.h"
#include "weir/errors.h"
#include "xml.h"

namespace weir::s3 {

namespace {

constexpr int kAttempts = 3;
constexpr std::uint64_t kHashPiece = 256 * KiB;

bool any_of(const std::string& code, std::initializer_list<const char*> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool is_passing(const Refused& what) {
  // Of somebody between, while the store is away: that something is gone, the store says by a code.
  if (what.status == 404 && what.code.empty()) return true;
  if (what.status >= 500 && what.status != 501 && what.status != 505) return true;
  return what.status == 429 || what.status == 408 || what.status == 425 ||
         any_of(what.code, {"SlowDown", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "BadDigest",
                            "XAmzContentSHA256Mismatch", "IncompleteBody", "InternalError", "ServiceUnavailable",
                            "RequestTimeTooSkewed", "Throttling", "ThrottlingException", "RequestLimitExceeded"});
}

/// 100 ms, then 400 ms, each shortened at random so that many that failed together do not come back together.
void pause(int attempt, const Cancelled& cancelled) {
  thread_local std::minstd_rand random{std::random_device{}()};
  auto left = std::chrono::milliseconds(100 << (2 * attempt));
  left -= std::chrono::milliseconds(random() % static_cast<unsigned>(left.count() / 2));
  for (; left.count() > 0 && !(cancelled && cancelled()); left -= std::chrono::milliseconds(50))
    std::this_thread::sleep_for(std::min(left, std::chrono::milliseconds(50)));
}

/// Calls `add` with all bytes of a body.
template <class F>
void for_each_piece(const Body& body, F&& add) {
  if (body.file < 0) return add(body.bytes);
  std::string piece(std::min<std::uint64_t>(kHashPiece, std::max<std::uint64_t>(body.size, 1)), '\0');
  for (std::uint64_t done = 0; done < body.size;) {
    const auto want = std::min<std::uint64_t>(piece.size(), body.size - done);
    const auto got = ::pread(body.file, piece.data(), want, static_cast<off_t>(body.offset + done));
    if (got <= 0) throw Unavailable("a file to upload cannot be read at byte " + std::to_string(body.offset + done));
    add(std::string_view(piece.data(), static_cast<std::size_t>(got)));
    done += static_cast<std::uint64_t>(got);
  }
}

std::string default_port_removed(const std::string& scheme, std::string host) {
  const std::string port = scheme == "https" ? ":443" : ":80";
  if (host.size() > port.size() && host.ends_with(port)) host.resize(host.size() - port.size());
  return host;
}

}  // namespace

const Fields<TlsSettings>& TlsSettings::fields() {
  using S = TlsSettings;
  static const auto fields =
      Fields<S>()
          .property("ca", &S::ca, {.help = "PEM file of the authorities to trust; the system's if not set."})
          .property("cert", &S::cert, {.help = "PEM file of the client's certificate.", .example = "/etc/weir/s3.pem"})
          .property("key", &S::key, {.help = "PEM file of its private key.", .example = "/etc/weir/s3.key"})
          .property("verify", &S::verify, {.help = "Check the store's certificate. `false` protects from nobody."});
  return fields;
}

std::string Head::meta(std::string_view name) const {
  for (const auto& [key, value] : metadata) {
    if (key == name) return value;
  }
  return {};
}

Address address_of(const ConnectionSettings& settings) {
  const auto region = find_region(settings.region, settings.profile);
  const auto& bucket = settings.bucket;
  if (bucket.empty() || !std::all_of(bucket.begin(), bucket.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
      }))
    throw Misconfigured("bucket: '" + bucket + "' is no bucket's name: letters, digits, '.', '-' and '_' are");
  if (!region && !settings.endpoint)
    throw Misconfigured("region: Amazon S3 needs one (here, or in AWS_REGION); for another store set endpoint");
  Address address;
  address.region = region.value_or("us-east-1");
  const auto url = settings.endpoint.value_or("https://s3." + address.region + ".amazonaws.com");
  const auto colon = url.find("://");
  const auto scheme = url.substr(0, colon == std::string::npos ? 0 : colon);
  if (scheme != "http" && scheme != "https")
    throw Misconfigured("endpoint: '" + url + "' is no address like https://s3.example.com:9000");
  auto host = url.substr(colon + 3);
  while (!host.empty() && host.back() == '/') host.pop_back();
  if (host.empty() || host.find_first_of("/?#@ \n\r") != std::string::npos)
    throw Misconfigured("endpoint: '" + url + "' should be a scheme, a host and perhaps a port, without a path: the " +
                        "bucket and the keys have their own properties");
  // A certificate for *.host does not hold for a.b.host, so buckets with dots stay in the path.
  const bool dots = scheme == "https" && bucket.find('.') != std::string::npos;
  const bool in_host =
      settings.addressing == "virtual_host" || (settings.addressing == "auto" && !settings.endpoint && !dots);
  if (in_host) {
    host = bucket + '.' + host;
  } else {
    address.path = '/' + bucket;
  }
  address.base = scheme + "://" + host;
  address.host = default_port_removed(scheme, host);
  return address;
}

std::shared_ptr<CredentialChain> credentials_of(const ConnectionSettings& s) {
  return std::make_shared<CredentialChain>(CredentialSettings{s.access_key, s.secret_key, s.session_token, s.profile},
                                           http_options(s));
}

HttpOptions http_options(const ConnectionSettings& s) {
  const auto tls = s.tls.value_or(TlsSettings());
  return {tls.ca, tls.cert, tls.key, tls.verify, s.connect_timeout, s.timeout};
}

Refused refused(const HttpResponse& response) {
  Refused what{response.status, {}, {}};
  try {
    const auto error = parse_xml(response.body);
    what.code = error.text_of("Code");
    what.message = error.text_of("Message");
  } catch (const std::exception&) {
    what.message = response.body.substr(0, 200);  // from a proxy, perhaps
  }
  return what;
}

namespace {

/// What a store says with status 200: S3 may find out that it cannot after it has begun to answer, the answer may end
/// early without anything to know it by, and a proxy may have a page of its own. None of these says what is there.
Element parse_answer(const HttpResponse& response, const char* name, const std::string& what) {
  const auto no_answer = [&](const std::string& why) { return Unavailable(what + ": status 200, but " + why); };
  Element answer;
  try {
    answer = parse_xml(response.body);
  } catch (const std::runtime_error& error) {
    throw no_answer(error.what());
  }
  if (answer.name == "Error") throw no_answer(answer.text_of("Code") + " (" + answer.text_of("Message") + ")");
  if (answer.name != name) throw no_answer("<" + answer.name + "> instead of <" + name + ">");
  return answer;
}

}  // namespace

Client::Client(const ConnectionSettings& settings, std::shared_ptr<CredentialChain> credentials, Cancelled cancelled)
    : settings_(settings),
      address_(address_of(settings)),
      credentials_(std::move(credentials)),
      http_(http_options(settings), cancelled),
      cancelled_(std::move(cancelled)) {
  if (!settings_.customer_key) return;
  std::string key;
  try {
    key = from_base64(*settings_.customer_key);
  } catch (const std::invalid_argument&) {
  }
  if (key.size() != 32) throw Misconfigured("customer_key: 32 bytes in base64 are expected");
}

HttpResponse Client::send_once(const Request& request) {
  auto path = address_.path + '/' + uri_encode(request.key, true);
  const auto credentials = credentials_->get();
  SignedRequest to_sign{request.method, path, request.query, request.headers, request.payload_hash};
  if (to_sign.payload_hash.empty()) to_sign.payload_hash = hex(sha256(request.body.bytes));
  const SigningScope scope{address_.region, "s3", amz_date(std::time(nullptr) + clock_offset_)};
  auto& headers = to_sign.headers;
  headers.emplace_back("x-amz-content-sha256", to_sign.payload_hash);
  headers.emplace_back("x-amz-date", scope.time);
  if (!credentials.session_token.empty()) headers.emplace_back("x-amz-security-token", credentials.session_token);
  auto sent = headers;
  headers.emplace_back("host", address_.host);
  sent.emplace_back("host", address_.host);
  sent.emplace_back("Authorization", authorization(to_sign, scope, credentials));
  auto url = address_.base + path;
  if (!request.query.empty()) url += '?' + canonical_query(request.query);
  return http_.perform({request.method, url, std::move(sent), request.body});
}

HttpResponse Client::send(const Request& request) {
  for (int attempt = 0;; ++attempt) {
    const bool last = attempt + 1 == kAttempts || (cancelled_ && cancelled_());
    try {
      auto response = send_once(request);
      server_ = response.header("server");
      if (response.status < 400) return response;
      if (response.status == 404 && request.method == "HEAD") return response;  // which has no body to name a code
      const auto what = refused(response);
      if (what.code == "RequestTimeTooSkewed" && attempt == 0) {
        std::tm parts{};
        if (::strptime(response.header("date").c_str(), "%a, %d %b %Y %H:%M:%S", &parts) != nullptr)
          clock_offset_ = ::timegm(&parts) - std::time(nullptr);
        continue;
      }
      if (any_of(what.code, {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "ExpiredTokenException"}) &&
          attempt == 0 && credentials_->refresh())
        continue;
      if (last || !is_passing(what)) return response;
    } catch (const Unavailable&) {
      if (last) throw;
    }
    pause(attempt, cancelled_);
  }
}

void Client::fail(const Request& request, const HttpResponse& response) const {
  const auto what = refused(response);
  const auto place = request.key.empty() ? "bucket " + settings_.bucket : uri(request.key);
  auto text = request.method + ' ' + place + " at " + address_.base + ": " +
              (what.code.empty() ? "HTTP status " + std::to_string(what.status) : what.code) +
              (what.message.empty() ? "" : " (" + what.message + ")");
  if (is_passing(what)) throw Unavailable(text);
  const auto named = response.header("x-amz-bucket-region");
  if (what.code == "SignatureDoesNotMatch") {
    text += ": the secret_key does not belong to the access_key, or something between changes the request";
  } else if (what.code == "InvalidAccessKeyId") {
    text += ": the store does not know this access_key";
  } else if (any_of(what.code, {"ExpiredToken", "InvalidToken"})) {
    text += ": the session_token has expired or is wrong, and there is nowhere to get another from";
  } else if (what.code == "NoSuchBucket") {
    text += ": create it first";
  } else if (any_of(what.code, {"PermanentRedirect", "AuthorizationHeaderMalformed", "TemporaryRedirect"}) ||
             what.status == 301) {
    text += ": the bucket is in another region than '" + address_.region + "'" +
            (named.empty() ? "" : ", in '" + named + "'") + ": set region";
  } else if (what.status == 403) {
    text += ": these credentials are not allowed to do this";
  }
  throw Misconfigured(text);
}

void Client::add_customer_key(Pairs& headers) const {
  if (!settings_.customer_key) return;
  headers.emplace_back("x-amz-server-side-encryption-customer-algorithm", "AES256");
  headers.emplace_back("x-amz-server-side-encryption-customer-key", *settings_.customer_key);
  headers.emplace_back("x-amz-server-side-encryption-customer-key-md5",
                       base64(md5(from_base64(*settings_.customer_key))));
}

Client::Part Client::add_checksums(Request& request, const ObjectOptions& options) const {
  Digest sha(Digest::Kind::sha256);
  std::optional<Digest> md;
  if (options.checksum == Checksum::md5) md.emplace(Digest::Kind::md5);
  for_each_piece(request.body, [&](std::string_view piece) {
    sha.add(piece);
    if (md) md->add(piece);
  });
  const auto hash = sha.finish();
  request.payload_hash = hex(hash);
  Part part;
  if (md) request.headers.emplace_back("Content-MD5", base64(md->finish()));
  if (options.checksum == Checksum::sha256) {
    part.checksum = base64(hash);
    request.headers.emplace_back("x-amz-checksum-sha256", part.checksum);
  }
  return part;
}

void Client::check() {
  const Request request{"GET", "", {{"list-type", "2"}, {"max-keys", "1"}}};
  const auto response = send(request);
  if (response.status == 200 || refused(response).code == "AccessDenied") return;
  fail(request, response);
}

Client::Put Client::put(const std::string& key, const Body& body, const ObjectOptions& options, bool only_new) {
  Request request{"PUT", key, {}, options.headers, body};
  add_checksums(request, options);
  add_customer_key(request.headers);
  if (only_new) request.headers.emplace_back("If-None-Match", "*");
  const auto response = send(request);
  if (response.status == 200) return Put::done;
  if (only_new && response.status == 412) return Put::exists;
  if (only_new && (response.status == 501 || refused(response).code == "NotImplemented")) return Put::condition_unknown;
  fail(request, response);
}

std::optional<Client::Stored> Client::read(const std::string& key) {
  Request request{"GET", key};
  add_customer_key(request.headers);
  auto response = send(request);
  if (response.status == 200) return Stored{std::move(response.body), response.header("etag")};
  if (refused(response).code == "NoSuchKey") return std::nullopt;
  fail(request, response);
}

std::optional<std::string> Client::replace(const std::string& key, const std::string& bytes,
                                           const ObjectOptions& options, const std::string& etag) {
  Request request{"PUT", key, {}, options.headers, {.bytes = bytes}};
  add_checksums(request, options);
  add_customer_key(request.headers);
  if (etag.empty()) {
    request.headers.emplace_back("If-None-Match", "*");
  } else {
    request.headers.emplace_back("If-Match", etag);
  }
  const auto response = send(request);
  if (response.status == 200) return response.header("etag");
  if (response.status == 412 || refused(response).code == "NoSuchKey") return std::nullopt;
  fail(request, response);
}

std::string Client::begin_upload(const std::string& key, const ObjectOptions& options) {
  Request request{"POST", key, {{"uploads", ""}}, options.headers};
  if (options.checksum == Checksum::sha256) request.headers.emplace_back("x-amz-checksum-algorithm", "SHA256");
  add_customer_key(request.headers);
  const auto response = send(request);
  if (response.status != 200) fail(request, response);
  const auto id =
      parse_answer(response, "InitiateMultipartUploadResult", "POST " + uri(key) + "?uploads").text_of("UploadId");
  if (id.empty()) throw Unavailable("POST " + uri(key) + "?uploads: the answer names no upload");
  return id;
}

Client::Part Client::put_part(const std::string& key, const std::string& upload, unsigned number, const Body& body,
                              const ObjectOptions& options) {
  Request request{"PUT", key, {{"partNumber", std::to_string(number)}, {"uploadId", upload}}, {}, body};
  auto part = add_checksums(request, options);
  add_customer_key(request.headers);
  const auto response = send(request);
  if (refused(response).code == "NoSuchUpload")  // it was aborted, by a rule of the bucket perhaps: begin anew
    throw UploadGone("PUT " + uri(key) + ": the multipart upload is gone");
  if (response.status != 200) fail(request, response);
  part.etag = response.header("etag");
  return part;
}

Client::Put Client::end_upload(const std::string& key, const std::string& upload, const std::vector<Part>& parts,
                               const ObjectOptions& options, bool only_new) {
  std::string xml = R"(<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">)";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    xml += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + xml_escape(parts[i].etag) + "</ETag>";
    if (options.checksum == Checksum::sha256) xml += "<ChecksumSHA256>" + parts[i].checksum + "</ChecksumSHA256>";
    xml += "</Part>";
  }
  xml += "</CompleteMultipartUpload>";
  Request request{"POST", key, {{"uploadId", upload}}, {{"Content-Type", "application/xml"}}, {.bytes = xml}};
  add_customer_key(request.headers);
  if (only_new) request.headers.emplace_back("If-None-Match", "*");
  const auto response = send(request);
  if (response.status == 200) {
    parse_answer(response, "CompleteMultipartUploadResult", "POST " + uri(key));
    return Put::done;
  }
  if (only_new && response.status == 412) return Put::exists;
  if (only_new && response.status == 501) return Put::condition_unknown;
  const auto what = refused(response);
  if (what.code == "NoSuchUpload") throw UploadGone("POST " + uri(key) + ": the multipart upload is gone");
  if (what.code == "InvalidPart")
    throw PartsGone("POST " + uri(key) + ": the store no longer has all parts of the multipart upload, which it has " +
                    "acknowledged: InvalidPart (" + what.message + ")");
  fail(request, response);
}

void Client::abort_upload(const std::string& key, const std::string& upload) {
  const Request request{"DELETE", key, {{"uploadId", upload}}};
  const auto response = send(request);
  if (response.status >= 300 && response.status != 404) fail(request, response);
}

std::optional<Head> Client::head(const std::string& key) {
  Request request{"HEAD", key};
  add_customer_key(request.headers);
  const auto response = send(request);
  if (response.status == 404) return std::nullopt;
  Head head;
  head.hidden = response.status == 403;
  if (head.hidden) return head;
  if (response.status != 200) fail(request, response);
  const auto size = response.header("content-length");
  head.size = size.empty() ? 0 : std::stoull(size);
  head.etag = response.header("etag");
  constexpr std::string_view kMeta = "x-amz-meta-";
  for (const auto& [name, value] : response.headers) {
    if (name.starts_with(kMeta)) head.metadata.emplace_back(name.substr(kMeta.size()), value);
  }
  return head;
}

Client::Piece Client::get(const std::string& key, std::uint64_t offset, std::uint64_t size, const std::string& etag) {
  Request request{"GET", key};
  request.headers.emplace_back("Range", "bytes=" + std::to_string(offset) + '-' + std::to_string(offset + size - 1));
  if (!etag.empty()) request.headers.emplace_back("If-Match", etag);
  add_customer_key(request.headers);
  auto response = send(request);
  if (response.status == 206) return {std::move(response.body), false};
  if (response.status == 200) {  // a store that does not know ranges gives all of it
    if (offset >= response.body.size()) return {};
    return {response.body.substr(offset, size), false};
  }
  if (response.status == 416) return {};
  if (response.status == 412 || refused(response).code == "NoSuchKey") return {{}, true};
  fail(request, response);
}

Listing Client::list(const std::string& prefix, const std::string& after, const std::string& token, unsigned most) {
  Request request{"GET", "", {{"list-type", "2"}, {"max-keys", std::to_string(most)}, {"encoding-type", "url"}}};
  if (!prefix.empty()) request.query.emplace_back("prefix", prefix);
  if (!token.empty()) {
    request.query.emplace_back("continuation-token", token);
  } else if (!after.empty()) {
    request.query.emplace_back("start-after", after);
  }
  const auto response = send(request);
  if (response.status != 200) fail(request, response);
  const auto what = "GET s3://" + settings_.bucket + "?list-type=2";
  const auto result = parse_answer(response, "ListBucketResult", what);
  const bool encoded = result.text_of("EncodingType") == "url";
  Listing listing;
  for (const auto& entry : result.children) {
    if (entry.name != "Contents") continue;
    const auto size = entry.text_of("Size");
    auto key = entry.text_of("Key");
    listing.objects.push_back({encoded ? uri_decode(key) : key, size.empty() ? 0 : std::stoull(size),
                               entry.text_of("ETag"), entry.text_of("LastModified")});
  }
  if (result.text_of("IsTruncated") == "true") {
    listing.next = result.text_of("NextContinuationToken");
    if (listing.next.empty()) throw Unavailable(what + ": the answer says that there is more, but not where");
  }
  return listing;
}

void Client::remove(const std::string& key) {
  const Request request{"DELETE", key};
  const auto response = send(request);
  if (response.status >= 300 && response.status != 404) fail(request, response);
}

}  // namespace weir::s3

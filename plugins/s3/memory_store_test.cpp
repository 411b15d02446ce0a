#include "memory_store_test.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <utility>

#include "digest.h"
#include "signature.h"
#include "xml.h"

namespace weir::s3 {

namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string take(std::string_view& rest, std::string_view end) {
  const auto size = rest.find(end);
  std::string found(rest.substr(0, size));
  rest = size == std::string_view::npos ? std::string_view() : rest.substr(size + end.size());
  return found;
}

std::string etag_of(std::string_view bytes) {
  return '"' + hex(md5(bytes)) + '"';
}

}  // namespace

MemoryStore::~MemoryStore() = default;

MemoryStore::Door::Door(MemoryStore& store, int percent_of_faults) : store_(store), percent_(percent_of_faults) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("no port for a store");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept(); });
}

MemoryStore::Door::~Door() {
  cut();
  acceptor_.join();
  for (auto& thread : threads_) thread.join();
  ::close(listener_);
}

std::string MemoryStore::Door::properties() const {
  return "endpoint: http://127.0.0.1:" + std::to_string(port_) +
         "\nbucket: lake\naccess_key: key\nsecret_key: secret\nregion: us-east-1\n";
}

void MemoryStore::Door::cut() {
  cut_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  const std::lock_guard lock(mutex_);
  for (const int client : clients_) ::shutdown(client, SHUT_RDWR);
}

void MemoryStore::Door::cut_at(int request, bool done) {
  last_is_done_ = done;
  left_ = request;
}

void MemoryStore::Door::accept() {
  while (!cut_) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const std::lock_guard lock(mutex_);
    clients_.insert(client);
    if (cut_) ::shutdown(client, SHUT_RDWR);
    threads_.emplace_back([this, client] {
      serve(client);
      const std::lock_guard closing(mutex_);
      clients_.erase(client);
      ::close(client);
    });
  }
}

void MemoryStore::Door::serve(int client) {
  std::string rest;
  while (!cut_) {
    const auto request = read(client, rest);
    if (!request || cut_) break;
    const bool last = left_ > 0 && --left_ == 0;
    if (last && !last_is_done_) cut();
    if (cut_) break;
    const auto answer = store_.handle(*request, percent_);
    if (last) cut();
    if (!answer || cut_) break;
    write(client, *answer, request->method == "HEAD");
  }
  ::shutdown(client, SHUT_RDWR);
}

std::optional<MemoryStore::Request> MemoryStore::read(int client, std::string& rest) {
  while (true) {
    if (const auto end = rest.find("\r\n\r\n"); end != std::string::npos) {
      Request request;
      std::string_view head(rest.data(), end);
      auto line_text = take(head, "\r\n");
      std::string_view line = line_text;
      request.method = take(line, " ");
      auto target_text = take(line, " ");
      std::string_view target = target_text;
      const auto path_text = take(target, "?");
      std::string_view path = path_text;
      path.remove_prefix(1);
      take(path, "/");  // the bucket
      request.key = uri_decode(path);
      while (!target.empty()) {
        const auto pair_text = take(target, "&");
        std::string_view pair = pair_text;
        const auto name = take(pair, "=");
        request.query[name] = uri_decode(pair);
      }
      while (!head.empty()) {
        const auto header_text = take(head, "\r\n");
        std::string_view header = header_text;
        const auto name = lower(take(header, ":"));
        header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
        request.headers[name] = header;
      }
      const auto length = request.headers.find("content-length");
      const auto size = end + 4 + (length == request.headers.end() ? 0 : std::stoul(length->second));
      if (rest.size() >= size) {
        request.body = rest.substr(end + 4, size - end - 4);
        rest.erase(0, size);
        return request;
      }
    }
    char buffer[16384];
    const auto got = ::recv(client, buffer, sizeof buffer, 0);
    if (got <= 0) return std::nullopt;
    rest.append(buffer, static_cast<std::size_t>(got));
  }
}

void MemoryStore::write(int client, const Answer& answer, bool head) {
  auto text = "HTTP/1.1 " + std::to_string(answer.status) +
              " Status\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n";
  for (const auto& [name, value] : answer.headers) text.append(name).append(": ").append(value).append("\r\n");
  text += "\r\n";
  if (!head) text += answer.body;
  std::string_view left = text;
  while (!left.empty()) {
    const auto sent = ::send(client, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    left.remove_prefix(static_cast<std::size_t>(sent));
  }
}

MemoryStore::Answer MemoryStore::error(int status, const std::string& code) {
  return {status, {}, "<Error><Code>" + code + "</Code><Message>a test</Message></Error>"};
}

std::optional<MemoryStore::Answer> MemoryStore::handle(const Request& request, int percent) {
  const std::lock_guard lock(mutex_);
  // What is late arrives at any time.
  while (!late_.empty() && random_() % 8 == 0) {
    const auto at = late_.begin() + static_cast<std::ptrdiff_t>(random_() % late_.size());
    const auto late = std::move(*at);
    late_.erase(at);
    perform(late);
  }
  auto fault = Fault::none;
  if (static_cast<int>(random_() % 100) < percent) fault = static_cast<Fault>(1 + random_() % 7);
  if (fault == Fault::error_in_200 && (request.method != "POST" || request.query.contains("uploads")))
    fault = Fault::none;
  if (fault != Fault::none) ++faults_;
  switch (fault) {
    case Fault::error:
      return random_() % 2 == 0 ? error(500, "InternalError") : error(503, "SlowDown");
    case Fault::lost:
      return std::nullopt;
    case Fault::late:
      late_.push_back(request);
      return std::nullopt;
    case Fault::page:
      return Answer{404, {{"Content-Type", "text/html"}}, "<html><body>default backend - 404</body></html>"};
    case Fault::error_in_200: {
      if (random_() % 2 == 0) perform(request);
      auto answer = error(200, "InternalError");
      return answer;
    }
    default:
      break;
  }
  if (const auto wanted = trouble(request)) return *wanted;
  auto answer = perform(request);
  if (!name_.empty()) answer.headers.emplace_back("Server", name_);
  if (fault == Fault::no_answer) return std::nullopt;
  if (fault == Fault::error_after) return error(500, "InternalError");
  return answer;
}

/// Under the lock, as all that follow.
std::optional<std::optional<MemoryStore::Answer>> MemoryStore::trouble(const Request& request) {
  const bool ends = request.method == "POST" && !request.query.contains("uploads");
  const auto upload = ends ? uploads_.find(request.query.at("uploadId")) : uploads_.end();
  if (to_lose_ > 0 && upload != uploads_.end()) {
    upload->second.parts.clear();
    if (--to_lose_ % 2 != 0) uploads_.erase(upload);
    return std::optional<Answer>();
  }
  if (to_leave_ > 0 && upload != uploads_.end()) {
    --to_leave_;
    perform(request);
    uploads_[request.query.at("uploadId")] = {request.key, {}, {}};
    return std::optional<Answer>();
  }
  if (to_refuse_ > 0 && request.method == "PUT" && request.key.ends_with("_weir/flow@topic/0/processor")) {
    --to_refuse_;
    return error(503, "SlowDown");
  }
  return std::nullopt;
}

MemoryStore::Answer MemoryStore::perform(const Request& request) {
  const auto& [method, key, query, headers, body] = request;
  const auto object = objects_.find(key);
  if (method == "GET" && query.contains("list-type")) return list(request);
  if (method == "GET" || method == "HEAD") {
    if (object == objects_.end()) return error(404, "NoSuchKey");
    Answer answer{200, {{"ETag", object->second.etag}}, object->second.bytes};
    for (const auto& [name, value] : object->second.metadata) answer.headers.emplace_back(name, value);
    return answer;
  }
  std::map<std::string, std::string> metadata;
  for (const auto& [name, value] : headers) {
    if (name.starts_with("x-amz-meta-")) metadata[name] = value;
  }
  if (method == "POST" && query.contains("uploads")) {
    const auto id = "upload/" + std::to_string(next_upload_++) + "+=";
    uploads_[id] = {key, {}, metadata};
    return {200, {}, "<InitiateMultipartUploadResult><UploadId>" + id + "</UploadId></InitiateMultipartUploadResult>"};
  }
  if (method == "POST") return end(request);
  if (method == "PUT" && !query.contains("uploadId")) return put(request, {body, etag_of(body), metadata});
  if (method == "DELETE" && !query.contains("uploadId")) {
    objects_.erase(key);
    return {204};
  }
  const auto upload = uploads_.find(query.at("uploadId"));
  if (upload == uploads_.end() || upload->second.key != key) return error(404, "NoSuchUpload");
  if (method == "DELETE") {
    uploads_.erase(upload);
    return {204};
  }
  upload->second.parts[std::stoi(query.at("partNumber"))] = {body, etag_of(body), {}};
  return {200, {{"ETag", etag_of(body)}}};
}

MemoryStore::Answer MemoryStore::put(const Request& request, Object object) {
  const auto there = objects_.find(request.key);
  if (request.headers.contains("if-none-match") && there != objects_.end()) return error(412, "PreconditionFailed");
  if (const auto match = request.headers.find("if-match"); match != request.headers.end()) {
    if (there == objects_.end()) return error(404, "NoSuchKey");
    if (there->second.etag != match->second) return error(412, "PreconditionFailed");
  }
  auto& stored = objects_[request.key] = std::move(object);
  most_objects_ = std::max(most_objects_, objects_.size());
  return {200, {{"ETag", stored.etag}}};
}

MemoryStore::Answer MemoryStore::end(const Request& request) {
  const auto upload = uploads_.find(request.query.at("uploadId"));
  if (upload == uploads_.end() || upload->second.key != request.key) return error(404, "NoSuchUpload");
  const auto list = parse_xml(request.body);
  Object whole{{}, {}, upload->second.metadata};
  for (const auto& part : list.children) {
    const auto stored = upload->second.parts.find(std::stoi(part.text_of("PartNumber")));
    if (stored == upload->second.parts.end() || stored->second.etag != part.text_of("ETag"))
      return error(400, "InvalidPart");
    whole.bytes += stored->second.bytes;
  }
  whole.etag = etag_of(whole.bytes);
  auto answer = put(request, std::move(whole));
  if (answer.status != 200) return answer;
  uploads_.erase(upload);
  return {200, {}, "<CompleteMultipartUploadResult><Key>x</Key></CompleteMultipartUploadResult>"};
}

/// Two at a time.
MemoryStore::Answer MemoryStore::list(const Request& request) const {
  const auto value = [&](const char* name) {
    const auto found = request.query.find(name);
    return found == request.query.end() ? std::string() : found->second;
  };
  const auto prefix = value("prefix");
  std::string entries;
  std::string last;
  int count = 0;
  for (auto at = objects_.upper_bound(value("continuation-token")); at != objects_.end(); ++at) {
    if (!at->first.starts_with(prefix)) continue;
    if (count++ == 2) break;
    last = at->first;
    entries += "<Contents><Key>" + last + "</Key></Contents>";
  }
  const auto more = count > 2 ? "true</IsTruncated><NextContinuationToken>" + last + "</NextContinuationToken>"
                              : std::string("false</IsTruncated>");
  return {200, {}, "<ListBucketResult><IsTruncated>" + more + entries + "</ListBucketResult>"};
}

void MemoryStore::call_itself(const std::string& name) {
  const std::lock_guard lock(mutex_);
  name_ = name;
}

void MemoryStore::abort_uploads_without_parts() {
  const std::lock_guard lock(mutex_);
  std::erase_if(uploads_, [](const auto& upload) { return upload.second.parts.empty(); });
}

void MemoryStore::take_objects() {
  const std::lock_guard lock(mutex_);
  std::erase_if(objects_, [](const auto& object) { return object.first.find("_weir/") == std::string::npos; });
}

std::size_t MemoryStore::uploads() {
  const std::lock_guard lock(mutex_);
  return uploads_.size();
}

std::size_t MemoryStore::most_objects() {
  const std::lock_guard lock(mutex_);
  return most_objects_;
}

void MemoryStore::deliver_late() {
  const std::lock_guard lock(mutex_);
  std::ranges::shuffle(late_, random_);
  for (const auto& request : std::exchange(late_, {})) perform(request);
}

std::map<std::string, std::string> MemoryStore::objects() {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> all;
  for (const auto& [key, object] : objects_) all[key] = object.bytes;
  return all;
}

}  // namespace weir::s3

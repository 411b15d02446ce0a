#include "uploader.h"

#include <fcntl.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <utility>

#include "plugins/common/posix_file.h"
#include "weir/errors.h"

namespace weir::s3 {

namespace {

constexpr int kTellEvery = 50;        ///< attempts: some minutes
constexpr int kLongestPause = 5'000;  ///< milliseconds: so long objects may wait though the store is back
constexpr std::uint64_t kProbeSize = 1 * MiB;
constexpr std::uint64_t kMostParts = 10'000;
constexpr const char* kOwner = "weir-object";  ///< metadata of an object: whose it is

/// The id of a multipart upload that may be under way stands beside the file: one that a crash left behind is aborted.
std::string note_of(const std::string& path) {
  return path + ".upload";
}

std::string read_note(const std::string& path) {
  std::ifstream in(note_of(path));
  std::string id;
  std::getline(in, id);
  return id;
}

}  // namespace

Uploader::Uploader(UploadOptions options, std::shared_ptr<CredentialChain> credentials, Context context,
                   std::function<void()> changed)
    : options_(std::move(options)),
      credentials_(std::move(credentials)),
      context_(context),
      changed_(std::move(changed)),
      objects_(context_.counter("s3_objects_written", "Objects uploaded.")),
      bytes_(context_.counter("s3_bytes_written", "Bytes of the objects uploaded.")),
      failures_(context_.counter("s3_upload_failures", "Attempts to upload that failed and are made again.")),
      backlog_(context_.gauge("s3_backlog_bytes", "Bytes of complete objects that wait for their upload.")) {
  for (unsigned i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { work(); });
}

Uploader::~Uploader() {
  {
    const std::lock_guard lock(lock_);
    stopping_ = true;
  }
  work_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Uploader::submit(Upload upload) {
  const std::lock_guard lock(lock_);
  known_[upload.number] = upload.size;
  waiting_bytes_ += upload.size;
  backlog_.set(static_cast<double>(waiting_bytes_));
  queue_.push_back(std::move(upload));
  work_.notify_one();
}

bool Uploader::has(std::uint64_t number) const {
  const std::lock_guard lock(lock_);
  return known_.contains(number);
}

std::vector<Uploaded> Uploader::take_results() {
  const std::lock_guard lock(lock_);
  for (const auto& result : results_) known_.erase(result.number);
  return std::exchange(results_, {});
}

std::uint64_t Uploader::waiting_bytes() const {
  const std::lock_guard lock(lock_);
  return waiting_bytes_;
}

void Uploader::check() const {
  const std::lock_guard lock(lock_);
  if (!broken_.empty()) throw Misconfigured(broken_);
}

std::string Uploader::trouble() const {
  const std::lock_guard lock(lock_);
  return trouble_;
}

void Uploader::wait(std::chrono::milliseconds at_most) {
  std::unique_lock lock(lock_);
  const auto before = changes_;
  change_.wait_for(lock, at_most, [&] { return changes_ != before || !results_.empty() || !broken_.empty(); });
}

void Uploader::poke() {
  const std::lock_guard lock(lock_);
  ++changes_;
  change_.notify_all();
}

void Uploader::failed(const std::string& message, int attempt) {
  failures_.add(1);
  {
    const std::lock_guard lock(lock_);
    trouble_ = message;
  }
  context_.not_ready(message);
  if (attempt % kTellEvery == 0) context_.bulletin(Level::warning, message + "; trying again for as long as it takes");
}

void Uploader::work() {
  std::minstd_rand random{std::random_device{}()};
  std::unique_ptr<Client> client;
  int attempt = 0;
  while (true) {
    std::unique_lock lock(lock_);
    work_.wait(lock, [&] { return stopping_ || (!queue_.empty() && broken_.empty()); });
    if (stopping_) return;
    auto next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    std::string broken;
    try {
      if (!client)
        client = std::make_unique<Client>(options_.connection, credentials_, [this] { return stopping_.load(); });
      const bool taken = !upload(*client, next);
      attempt = 0;
      lock.lock();
      if (!std::exchange(trouble_, {}).empty()) context_.ready();
      waiting_bytes_ -= next.size;
      backlog_.set(static_cast<double>(waiting_bytes_));
      results_.push_back({next.number, taken});
    } catch (const Unavailable& error) {
      if (stopping_) return;
      failed(error.what(), attempt);
      next.again = true;  // it may have arrived all the same
      lock.lock();
      queue_.push_front(std::move(next));
      const auto most = std::min(kLongestPause, 250 << std::min(attempt++, 10));
      const std::chrono::milliseconds pause(most / 2 + static_cast<int>(random() % static_cast<unsigned>(most / 2)));
      work_.wait_for(lock, pause, [&] { return stopping_.load(); });
      continue;
    } catch (const std::exception& error) {
      if (!lock.owns_lock()) lock.lock();
      queue_.push_front(std::move(next));
      broken_ = error.what();
    }
    ++changes_;
    change_.notify_all();
    lock.unlock();
    changed_();
  }
}

/// False: the key is somebody else's.
bool Uploader::upload(Client& client, const Upload& upload) {
  const auto file = file::open_file(upload.path, O_RDONLY);
  const auto size = static_cast<std::uint64_t>(file::status(file, upload.path).st_size);
  const auto done = [&] {
    objects_.add(1);
    bytes_.add(static_cast<double>(size));
    return true;
  };
  if (!upload.only_new) {
    write(client, upload, file.get(), size, false);
    return done();
  }
  const auto is_ours = [&](const Head& head) { return head.hidden || head.meta(kOwner) == upload.owner; };
  if (upload.again || condition_ != Condition::honoured) {
    const auto head = client.head(upload.key);
    if (head && !head->hidden) return is_ours(*head) ? done() : false;
  }
  auto result = write(client, upload, file.get(), size, condition_ != Condition::ignored);
  if (result == Client::Put::condition_unknown) {
    condition_ = Condition::ignored;
    result = write(client, upload, file.get(), size, false);
  }
  if (result == Client::Put::exists) {  // somebody was quicker, or an answer was lost
    condition_ = Condition::honoured;
    auto head = client.head(upload.key);
    if (!head && write(client, upload, file.get(), size, true) == Client::Put::exists) {
      head = client.head(upload.key);
      // A store that died while it wrote may say both that there is an object and that there is none.
      if (!head) write(client, upload, file.get(), size, false);
    }
    return !head || is_ours(*head) ? done() : false;
  }
  if (condition_ == Condition::unknown && size <= kProbeSize) probe(client, upload, file.get(), size);
  return done();
}

/// Some stores honour If-None-Match, some refuse it, some take no notice: writing the object that was just written once
/// more, on that condition, shows which, and changes nothing.
void Uploader::probe(Client& client, const Upload& upload, int file, std::uint64_t size) {
  const auto result = write(client, upload, file, size, true);
  condition_ = result == Client::Put::exists ? Condition::honoured : Condition::ignored;
  context_.log(Level::info,
               condition_ == Condition::honoured
                   ? "the store honours If-None-Match: no object of somebody else's can be overwritten"
                   : "the store does not honour If-None-Match: each key is looked up before it is written");
}

Client::Put Uploader::write(Client& client, const Upload& upload, int file, std::uint64_t size, bool only_new) {
  auto options = options_.object;
  options.headers.emplace_back(std::string("x-amz-meta-") + kOwner, upload.owner);
  if (size >= options_.multipart_from) return write_parts(client, upload, file, size, options, only_new);
  return client.put(upload.key, {.file = file, .offset = 0, .size = size}, options, only_new);
}

Client::Put Uploader::write_parts(Client& client, const Upload& upload, int file, std::uint64_t size,
                                  const ObjectOptions& options, bool only_new) {
  if (const auto left = read_note(upload.path); !left.empty()) client.abort_upload(upload.key, left);
  const auto id = client.begin_upload(upload.key, options);
  std::ofstream(note_of(upload.path), std::ios::trunc) << id << '\n';
  const auto part_size = std::max(options_.part_size, (size + kMostParts - 1) / kMostParts);
  std::vector<Client::Part> parts;
  for (std::uint64_t at = 0; at < size; at += part_size) {
    const Body body{.file = file, .offset = at, .size = std::min(part_size, size - at)};
    parts.push_back(client.put_part(upload.key, id, static_cast<unsigned>(parts.size() + 1), body, options));
  }
  const auto result = client.end_upload(upload.key, id, parts, options, only_new);
  if (result != Client::Put::done) client.abort_upload(upload.key, id);
  return result;
}

}  // namespace weir::s3

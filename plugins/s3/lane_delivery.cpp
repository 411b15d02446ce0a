#include "lane_delivery.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "plugins/common/posix_file.h"
#include "weir/errors.h"

namespace weir::s3 {

namespace {

constexpr std::uint64_t kMostParts = 10'000;
constexpr const char* kOwner = "weir-object";       ///< metadata of an object: whose it is
constexpr auto kToAbort = std::chrono::seconds(1);  ///< for all, at the end: a lane has to end within seconds

}  // namespace

LaneDelivery::LaneDelivery(LaneDeliveryOptions options, std::shared_ptr<CredentialChain> credentials, Context context,
                           Cancelled given_up)
    : options_(std::move(options)),
      credentials_(std::move(credentials)),
      context_(context),
      given_up_(std::move(given_up)),
      objects_(context_.counter("s3_objects_written", "Objects uploaded.")),
      bytes_(context_.counter("s3_bytes_written", "Bytes of the objects uploaded.")),
      label_(random_name(8)) {
  if (!options_.progress_key.empty()) progress_.emplace(client(0), options_.progress_key, options_.upload.object);
}

LaneDelivery::~LaneDelivery() {
  if (may_count_) return;
  const auto until = std::chrono::steady_clock::now() + kToAbort;
  try {
    Client client(options_.upload.connection, credentials_,
                  [until] { return std::chrono::steady_clock::now() > until; });
    for (const auto& staged : staged_) {
      if (!staged.object.upload.empty()) client.abort_upload(staged.object.key, staged.object.upload);
    }
  } catch (const std::exception& error) {
    context_.log(Level::info, std::string("uploads that were begun are left to the bucket's rules: ") + error.what());
  }
}

Client& LaneDelivery::client(std::size_t number) {
  while (clients_.size() <= number)
    clients_.push_back(std::make_unique<Client>(options_.upload.connection, credentials_, given_up_));
  return *clients_[number];
}

std::string LaneDelivery::owner_of(const StagedObject& object) const {
  return options_.owner + '/' + label_ + '/' + std::to_string(object.number);
}

std::int64_t LaneDelivery::claim() {
  if (!progress_) return 0;
  progress_->claim();
  const auto& state = progress_->state();
  label_ = state.label;
  next_number_ = state.number;
  for (const auto& object : state.objects) staged_.push_back({object, {}, true, false, {}});
  next_ = state.next;
  may_count_ = counts_ = true;
  static_cast<void>(finish());  // it has nothing to store
  return state.next;
}

void LaneDelivery::begin(std::vector<LaneObject> objects, std::int64_t next, std::uint64_t next_number) {
  for (auto& object : objects)
    staged_.push_back({{object.number, std::move(object.key), {}, {}}, std::move(object.file), false, false, {}});
  next_ = std::max(next, next_);
  next_number_ = next_number;
  may_count_ = counts_ = false;
}

bool LaneDelivery::finish() {
  if (!counts_) {
    for_each([this](Client& client, Staged& staged) { stage(client, staged); });
    may_count_ = true;
    if (progress_) {
      std::vector<StagedObject> objects;
      for (const auto& staged : staged_) {
        if (!staged.ended) objects.push_back(staged.object);
      }
      if (!progress_->store(next_, next_number_, objects)) return false;
    }
    counts_ = true;
  }
  for_each([this](Client& client, Staged& staged) { end(client, staged); });
  staged_.clear();
  return true;
}

void LaneDelivery::for_each(const std::function<void(Client&, Staged&)>& work) {
  const auto count = std::min<std::size_t>(std::max(options_.upload.threads, 1U), staged_.size());
  if (count > 0) client(count - 1);
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failed;
  const auto run = [&](std::size_t number) {
    try {
      for (auto at = next++; at < staged_.size(); at = next++) work(*clients_[number], staged_[at]);
    } catch (...) {
      next = staged_.size();
      const std::lock_guard lock(mutex);
      if (!failed) failed = std::current_exception();
    }
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < count; ++i) threads.emplace_back(run, i);
  if (count > 0) run(0);
  threads.clear();
  if (failed) std::rethrow_exception(failed);
}

/// Gives the store all parts of an object that it does not have yet.
void LaneDelivery::stage(Client& client, Staged& staged) {
  if (staged.whole) return;
  auto& object = staged.object;
  auto options = options_.upload.object;
  options.headers.emplace_back(std::string("x-amz-meta-") + kOwner, owner_of(object));
  const auto file = file::open_file(staged.file, O_RDONLY);
  const auto size = static_cast<std::uint64_t>(file::status(file, staged.file).st_size);
  const auto part_size = std::max(options_.upload.part_size, (size + kMostParts - 1) / kMostParts);
  if (object.upload.empty()) object.upload = client.begin_upload(object.key, options);
  try {
    while (object.parts.empty() || object.parts.size() * part_size < size) {
      const auto at = object.parts.size() * part_size;
      const Body body{.file = file.get(), .offset = at, .size = std::min(part_size, size - at)};
      const auto number = static_cast<unsigned>(object.parts.size() + 1);
      object.parts.push_back(client.put_part(object.key, object.upload, number, body, options));
    }
  } catch (const UploadGone&) {
    object.upload.clear();
    object.parts.clear();
    throw;
  }
  staged.whole = true;
  bytes_.add(static_cast<double>(size));
}

/// What is still here is sent again, in an upload of its own, which has to be listed before it counts.
void LaneDelivery::send_again(Staged& staged, const std::string& why) {
  staged.lost_uploads.push_back(std::exchange(staged.object.upload, {}));
  staged.object.parts.clear();
  staged.whole = counts_ = false;
  throw Unavailable(why + "; the object is sent again");
}

LaneDelivery::Found LaneDelivery::look(Client& client, const StagedObject& object) const {
  const auto head = client.head(object.key);
  if (!head) return Found::nothing;
  if (head->hidden) return Found::hidden;
  return head->meta(kOwner) == owner_of(object) ? Found::ours : Found::others;
}

/// An upload can be ended once: that it is gone says that somebody has, or that the store has lost it.
void LaneDelivery::upload_gone(Client& client, Staged& staged) {
  const auto found = look(client, staged.object);
  if (found != Found::nothing && (found != Found::others || options_.exact_keys)) return;
  const auto what = client.uri(staged.object.key) + " is not there, and neither is its upload: ";
  if (!staged.file.empty())
    send_again(staged, what + "somebody has removed the object already, or the store has lost it");
  context_.bulletin(Level::warning, what +
                                        "either somebody has removed the object already, or a rule of the bucket has "
                                        "aborted the upload, or the store has lost it, and the object is lost");
}

void LaneDelivery::parts_gone(Client& client, Staged& staged, const std::string& why) {
  const auto& object = staged.object;
  if (look(client, object) == Found::ours) return;
  if (!staged.file.empty()) send_again(staged, why);
  throw Unavailable(
      why +
      ". The Weir that has sent them has the lane no longer, so what the object had is only where it came "
      "from. To go on without it, abort the upload: aws s3api abort-multipart-upload --bucket " +
      options_.upload.connection.bucket + " --key '" + object.key + "' --upload-id '" + object.upload + "'");
}

void LaneDelivery::end(Client& client, Staged& staged) {
  if (staged.ended) return;
  const auto& object = staged.object;
  try {
    const auto result =
        client.end_upload(object.key, object.upload, object.parts, options_.upload.object, !options_.exact_keys);
    if (result == Client::Put::condition_unknown)
      throw Misconfigured(client.uri(object.key) + ": the store does not know If-None-Match for uploads in parts");
    if (result == Client::Put::exists) {
      if (const auto found = look(client, object); found == Found::nothing || found == Found::others)
        throw Unavailable(client.uri(object.key) +
                          " belongs to somebody else: what this sink has for it is uploaded, and waits until that is "
                          "moved away");
    }
    objects_.add(1);
  } catch (const UploadGone&) {
    upload_gone(client, staged);
  } catch (const PartsGone& gone) {
    parts_gone(client, staged, gone.what());
  }
  if (!staged.file.empty()) ::unlink(staged.file.c_str());
  staged.ended = true;
  try {
    for (const auto& upload : staged.lost_uploads) client.abort_upload(object.key, upload);
  } catch (const std::exception& error) {
    context_.log(Level::info,
                 std::string("uploads without their parts are left to the bucket's rules: ") + error.what());
  }
}

}  // namespace weir::s3

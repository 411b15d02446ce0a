#pragma once
// S3Source: objects, their lines or their records become FlowFiles.

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "client.h"
#include "object_reader.h"
#include "weir/processor.h"

namespace weir::s3 {

struct SourceSettings : ConnectionSettings {
  std::string prefix;
  std::optional<std::string> match;
  std::string track = "each";
  std::string format = "lines";
  std::string emit = "chunk";
  std::uint64_t chunk_size = 1 * MiB;
  std::uint64_t max_line = 64 * MiB;
  std::uint64_t piece_size = 8 * MiB;
  bool decompress = true;
  Duration interval = std::chrono::seconds(30);
  std::string after = "keep";
};

const Spec<SourceSettings>& source_spec();

/// Its state has, for each object, how far it was read: what was emitted and what was read move together.
class S3Source final : public Source {
 public:
  explicit S3Source(SourceSettings settings);
  void start(Context& context) override;
  void poll(Session& session) override;
  void durable(std::uint64_t token) override;
  void stop() override;

 private:
  void load(Session& session);
  void work(Session& session);
  void read_some(Session& session);
  void list_page(Session& session);
  void consider(const Object& object);
  void forget_missing(Session& session, const std::string& from, const std::string& to, const Listing& page);
  void finish_object(Session& session, const std::string& key);
  void keep(Session& session, const std::string& key, const ObjectPosition& position);
  void forget(Session& session, const std::string& key);
  void remove_done(Session& session);
  bool wanted(const Object& object) const;
  void warn(const std::string& message) { context_.bulletin(Level::warning, message); }

  SourceSettings settings_;
  ObjectReadOptions options_;
  std::shared_ptr<CredentialChain> credentials_;
  std::atomic<bool> stopping_{false};
  std::shared_ptr<Client> client_;
  Context context_;
  Metric objects_;
  Metric bytes_;

  bool loaded_ = false;
  std::uint64_t sessions_ = 0;  ///< counts as state does: another number there means that a session was rolled back
  std::map<std::string, ObjectPosition> positions_;  ///< what state holds; with track: last_key, what is not done
  std::string last_key_;                             ///< with track: last_key, all up to here is in hand or done
  std::deque<Object> to_read_;
  std::unique_ptr<ObjectReader> reader_;  ///< of to_read_.front()
  std::string page_;                      ///< continuation token of the listing under way
  std::string listed_to_;                 ///< last key of the pages before
  bool listing_ = false;
  bool sorted_ = true;  ///< the listing under way came in the order of its keys
  std::optional<std::int64_t> next_listing_;
  bool scheduled_ = false;                 ///< the author says when to look
  bool passed_ = false;                    ///< what the last listing found has been read
  std::optional<std::int64_t> delete_at_;  ///< with a schedule: when to delete what is durable by then, no more

  std::map<std::uint64_t, std::string> awaiting_;  ///< token to the key whose end its epoch covers
  std::uint64_t next_token_ = 1;
  std::mutex durable_lock_;
  std::vector<std::uint64_t> durable_;  ///< under durable_lock_
};

}  // namespace weir::s3

#pragma once
// Exactly-once progress in Kafka: a compacted topic, one message for each input connection of each sink, written in the
// transaction that holds the data.
//
// Why a topic, and not the offsets of a consumer group: offsets expire a week (offsets.retention.minutes) after their
// group falls silent, and a flow that was stopped for longer would then send twice; they have to name a partition that
// exists, though the topics that a sink writes to may follow from the data; and their metadata hold 4 KiB, too little
// for the records that were rejected. The price is one topic, with one partition, that the sink makes where it may.
//
//   key    STORE_ID CONNECTION; of a lane (weir/lane.h): LANE SINK
//   value  next N                       the first FlowFile whose outcome is not here
//          generation N                of a lane: rises with each claim; next is an offset then
//          rejected SEQUENCE RECORD WHY one line for each record that went to `failure` instead, of the FlowFiles that
//                                       a crash could bring again
//          parts N                      all of this is in so many messages before this one: how many records are
//                                       rejected has no bound, and a message's size has one
//   key of a part: the same, a line break, and its number from 1. What stands there beyond N is of an earlier value.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connection.h"
#include "weir/context.h"
#include "weir/rejected.h"

namespace weir::kafka {

class Producer;

/// What is stored for one connection.
struct StoredProgress {
  std::uint64_t next = 0;
  std::uint64_t generation = 0;                                   ///< 0: of no lane
  std::map<std::uint64_t, std::vector<RejectedRecord>> rejected;  ///< by sequence

  std::string encode() const;
  /// Throws Misconfigured if it is nothing that encode() made.
  static StoredProgress decode(std::string_view text);
};

/// What is sent for one connection, in this order: by key.
using ProgressMessages = std::vector<std::pair<std::string, std::string>>;
ProgressMessages to_messages(const std::string& key, const StoredProgress& progress, std::size_t most);

/// The other way round: what a topic holds, by key, without what begins the keys of one owner. Keys of others are not
/// looked at; those in the result are connections.
using ProgressTexts = std::map<std::string, std::string, std::less<>>;
std::map<std::string, StoredProgress, std::less<>> from_messages(const ProgressTexts& texts);

/// `owner`: the store's id, or a lane's.
std::string progress_key(std::string_view owner, std::string_view connection);

/// Makes the topic if it is missing, with up to three replicas. Throws Unavailable, and Misconfigured, also if there is
/// one that is not compacted.
void make_progress_topic(Producer& producer, const std::string& topic);

/// Reads what is committed for this store, or lane, by connection. To be called after init_transactions, when no
/// transaction of ours can end any more. Throws Unavailable and Misconfigured.
std::map<std::string, StoredProgress, std::less<>> read_progress(const ConnectionSettings& settings, Context context,
                                                                 const std::string& topic, std::string_view owner);

}  // namespace weir::kafka

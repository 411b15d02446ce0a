#pragma once
// Gathers messages as the lines of FlowFiles, one for each partition at a time.
#include <cstdint>
#include <map>
#include <string_view>

#include "resume.h"
#include "weir/session.h"

struct rd_kafka_message_s;

namespace weir::kafka {

class Chunks {
 public:
  Chunks(Session& session, std::uint64_t size) : session_(session), size_(size) {}
  /// False if the message is no line (empty, or with a line break inside): the chunk of its partition has ended then.
  bool add(const rd_kafka_message_s& message);
  /// Transfers what is open.
  void end();

 private:
  struct Open {
    FlowFile file;
    std::uint64_t bytes = 0;
    std::uint32_t records = 0;
    std::int64_t last_offset = 0;
  };
  void end(const Open& chunk);

  Session& session_;
  const std::uint64_t size_;
  std::map<Partition, Open> open_;
};

}  // namespace weir::kafka

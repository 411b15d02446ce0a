#pragma once
// What differs between two versions of a flow: for the engine, which starts anew only what has to be, and for the
// person who is about to apply it.

#include <string>
#include <vector>

#include "flow/definition.h"

namespace weir::flow {

enum class ChangeKind { added, removed, changed };

/// "setting url: tcp://a -> tcp://b". An empty side was, or is, not there. Secrets are masked.
struct ChangedValue {
  std::string what;
  std::string before;
  std::string after;
};

/// How far a change of a processor reaches.
enum class Reach {
  text,     ///< what is only shown: it works on as if nothing had happened
  outputs,  ///< where its FlowFiles go: between two of its sessions
  restart   ///< it is stopped, and started as it will be
};

struct ProcessorDifference {
  ChangeKind kind = ChangeKind::changed;
  std::string name;
  std::string was;  ///< its name before; differs where it was renamed, empty where it was added
  Reach reach = Reach::restart;
  std::vector<ChangedValue> values;
};

struct ConnectionDifference {
  ChangeKind kind = ChangeKind::changed;
  std::string id;
  std::string was;  ///< its id before: differs where an end of it was renamed, empty where it was added
  std::vector<ChangedValue> values;
};

struct FlowDifference {
  ChangeKind kind = ChangeKind::changed;
  std::string flow;
  std::vector<ChangedValue> values;  ///< of the flow as a whole
  std::vector<ProcessorDifference> processors;
  std::vector<ConnectionDifference> connections;

  bool empty() const {
    return kind == ChangeKind::changed && values.empty() && processors.empty() && connections.empty();
  }
};

/// Of two flows of one name; null: it was, or will be, not there. Processors and connections in the order of the new
/// flow, and behind them those that go.
FlowDifference compare(const Flow* before, const Flow* after);

/// The name that `processor` of `after` has in `before`; empty: it is new there.
std::string name_before(const Flow& before, const Flow& after, const Processor& processor);

/// "2 processors changed (a, b), 1 connection added"; "nothing changed".
std::string summary(const FlowDifference& difference);

const char* name_of(ChangeKind kind);
const char* name_of(Reach reach);

}  // namespace weir::flow

#pragma once
// The classes a processor derives from.

#include "weir/context.h"
#include "weir/errors.h"
#include "weir/session.h"
#include "weir/spec.h"

namespace weir {

/// Takes FlowFiles, one at a time (process) or a batch at a time (step). The engine constructs it with its parsed
/// settings, calls start once, then steps, then stop. Calls never overlap unless the spec says `concurrent`; they may
/// come from different threads. Anything that must survive a crash belongs in Session state or held FlowFiles:
/// members are caches.
class Processor {
 public:
  virtual ~Processor() = default;

  /// Before any step. May throw Misconfigured (the processor stays stopped) or Unavailable (tried again).
  virtual void start(Context&) {}
  /// One FlowFile. A Rejected thrown here sends just this one to `failure` and takes back what it created.
  virtual void process(FlowFile, Session&) {}
  /// A batch; by default each FlowFile by process(). After Context::wake it may be empty.
  virtual void step(Batch batch, Session& session) {
    for (auto file : batch) {
      const auto mark = session.mark();
      try {
        process(file, session);
        if (session.ended_early()) return;
      } catch (const Rejected& error) {
        session.undo(mark);
        session.reject(file, error.what());
      }
    }
  }
  /// The time asked for by Session::tick_at has come.
  virtual void tick(Session&) {}
  /// An epoch is about to be cut: a sink that holds FlowFiles makes them durable on its far side and finishes them.
  virtual void flush(Session&) {}
  /// No input will ever come again (batch mode): emit what is still open.
  virtual void finish(Session&) {}
  /// The step that asked for it by Session::when_durable is on disk. From the committer's thread: be quick.
  virtual void durable(std::uint64_t /*token*/) {}
  /// After the last step: close connections. Must return within seconds.
  virtual void stop() {}
};

/// Brings data in. poll is called when there is room downstream: at start, after Context::wake, after
/// Session::again, on the flow's schedule, and at Session::tick_at.
class Source : public Processor {
 public:
  virtual void poll(Session& session) = 0;

  void step(Batch, Session& session) final { poll(session); }
  void tick(Session& session) final { poll(session); }
};

}  // namespace weir

#pragma once
// The binary boundary between Weir and a plugin.
//
// Only what may cross is here: pure virtual interfaces, integers, and pointer-and-length pairs. Exceptions and
// standard types stay on their own side: the inline classes of the other SDK headers (session.h, processor.h, …)
// wrap these interfaces, catch what a plugin throws, and turn it into a Status. A plugin author never uses this
// header directly.
//
// Rules of evolution: an interface never gains a virtual function and a struct never changes its layout within one
// ABI version; the host grows by new named interfaces (Context::interface).

#include <cstdint>

namespace weir::abi {

inline constexpr std::uint32_t kVersion = 1;

/// Borrowed characters; not terminated. Valid as long as the call, or the object it came from, says.
struct Text {
  const char* data;
  std::uint64_t size;
};

/// What became of a call into a plugin, or of a request to the host.
enum class Status : std::int32_t {
  ok = 0,
  rejected = 1,       ///< bad data: to `failure`, unchanged
  unavailable = 2,    ///< the far side is down: roll back, back off, try again for as long as it takes
  misconfigured = 3,  ///< stop the processor and say so
  defect = 4,         ///< anything else: retry, then `failure`, and a bulletin
};

/// Receives the message that belongs to a Status other than ok.
class Report {
 public:
  virtual void message(Text text) = 0;

 protected:
  ~Report() = default;
};

struct Attribute {
  Text name;
  Text value;
};

inline constexpr std::uint16_t kExternal = 1;  ///< Item::data is no pointer to the content, which is in a file

/// One FlowFile of a batch. Read-only outside the host.
struct Item {
  const char* data;             ///< the content, readable 64 bytes past its end; see kExternal
  std::uint64_t size;           ///< bytes of content
  const Attribute* attributes;  ///< sorted by name, names unique
  std::int64_t born;            ///< nanoseconds since 1970: when its first ancestor entered Weir
  std::uint32_t records;        ///< records in the content, as far as its producer knew; 1 by default
  std::uint16_t attribute_count;
  std::uint16_t flags;
};

// ---------------------------------------------------------------------------------------------- specification

/// The type of a property. The host validates a value by it and hands it over in one canonical spelling.
enum class Kind : std::uint32_t {
  text,        ///< as written
  boolean,     ///< "true" or "false"
  integer,     ///< decimal
  number,      ///< decimal, as std::from_chars reads it
  duration,    ///< `ms s m h d` in the flow; nanoseconds, decimal
  bytes,       ///< `B kB KiB MiB GiB` in the flow; bytes, decimal
  rate,        ///< `5/s` in the flow; per second, a number
  choice,      ///< one of Property::choices
  field,       ///< a field of the record, or an SQL expression over it
  expression,  ///< an SQL expression over a record
  select,      ///< an SQL SELECT over `record`
  templated,   ///< text that may contain $(SQL), evaluated as data passes
  list,        ///< children, of Property::element
  map,         ///< named children, of Property::element
  object,      ///< named children, each one of Property::fields
  any,         ///< a scalar, list or map of the author's; scalars as written
};

/// How $(SQL) in a templated property is made safe: data never adds a segment, a host or a line.
enum class Encoding : std::uint32_t { none, path_segment, url_segment, header, identifier, topic_level };

inline constexpr std::uint32_t kRequired = 1;  ///< the flow must set it
inline constexpr std::uint32_t kSecret = 2;    ///< masked wherever values are shown
inline constexpr std::uint32_t kHasMinimum = 4;
inline constexpr std::uint32_t kHasMaximum = 8;
inline constexpr std::uint32_t kExclusiveMinimum = 16;

struct Property {
  Text name;
  Text help;
  Text default_value;  ///< as an author would write it; empty: none
  Text example;
  Kind kind;
  Kind element;  ///< of a list or map
  std::uint32_t flags;
  Encoding encoding;
  double minimum;
  double maximum;
  const Text* choices;
  std::uint32_t choice_count;
  const Property* fields;  ///< of an object, or of the objects in a list or map
  std::uint32_t field_count;
};

struct Relationship {
  Text name;
  Text help;
};

inline constexpr std::uint32_t kSource = 1;        ///< takes no input; its step produces
inline constexpr std::uint32_t kConcurrent = 2;    ///< steps of one instance may overlap
inline constexpr std::uint32_t kBlocking = 4;      ///< a step may wait for the outside: gets a thread of its own
inline constexpr std::uint32_t kExactlyOnce = 8;   ///< `delivery: exactly_once` is allowed
inline constexpr std::uint32_t kPerFlowFile = 16;  ///< its $(SQL) is evaluated once a FlowFile, not once a record
inline constexpr std::uint32_t kGenerator = 32;    ///< its SQL reads `seq` instead of a record, and may use random()
inline constexpr std::uint32_t kKeepsRecord =
    64;  ///< what leaves it by `success`-like relationships is what came in: the declared record follows
inline constexpr std::uint32_t kTakesAnyRelationship = 128;
/// As kKeepsRecord, but for what its properties `set` (a map: field to SQL) and `remove` (a list of fields) change.
inline constexpr std::uint32_t kEditsRecord = 256;
inline constexpr std::uint32_t kAwaited = 512;  ///< someone waits for its when_durable: the epoch comes at once

/// What a processor type declares of itself, once.
struct Spec {
  Text type;
  Text summary;      ///< one sentence
  Text description;  ///< Markdown; may be empty
  Text example;      ///< YAML of one processor's properties; may be empty
  Text state;        ///< what it keeps in its state; empty: nothing
  const Property* properties;
  std::uint32_t property_count;
  const Relationship* relationships;
  std::uint32_t relationship_count;
  Text relationships_from;    ///< the map property whose keys are relationships too; empty: none
  const Relationship* reads;  ///< attributes it reads
  std::uint32_t read_count;
  const Relationship* writes;  ///< attributes it writes
  std::uint32_t write_count;
  std::uint32_t flags;
};

/// A resolved, validated value: a scalar in its canonical spelling, or children.
class Node {
 public:
  virtual Text value() const = 0;
  virtual std::uint32_t size() const = 0;
  virtual Text key(std::uint32_t index) const = 0;
  virtual const Node* child(std::uint32_t index) const = 0;

 protected:
  ~Node() = default;
};

// ------------------------------------------------------------------------------------------------- at run time

inline constexpr std::uint32_t kNone = 0xffffffffU;

/// Visits state entries in the order of their keys; false ends the visit.
class StateVisitor {
 public:
  virtual bool entry(Text key, Text value) = 0;

 protected:
  ~StateVisitor() = default;
};

/// One atomic step. A handle names a FlowFile of the session: inputs are 0 … input_count()-1, then held ones that
/// were taken up again, then those it creates. Every input must be transferred, dropped, held, penalized or be a
/// parent. Not thread-safe; valid during the call it was passed to.
class Session {
 public:
  virtual const Item* inputs() const = 0;
  virtual std::uint32_t input_count() const = 0;
  virtual std::uint64_t sequence(std::uint32_t handle) const = 0;  ///< in its connection
  virtual Text connection() const = 0;                             ///< id of the connection the inputs came by
  virtual std::uint64_t durable_cursor() const = 0;                ///< of that connection, in the last durable epoch
  virtual const Item* item(std::uint32_t handle) const = 0;
  virtual Text content(std::uint32_t handle) = 0;  ///< all of it, contiguous (maps external content)
  virtual std::uint64_t read(std::uint32_t handle, std::uint64_t offset, char* to, std::uint64_t size) = 0;
  virtual std::uint64_t offset(std::uint32_t handle) const = 0;  ///< where a partly consumed input goes on

  virtual std::uint32_t create(const std::uint32_t* parents, std::uint32_t count) = 0;
  virtual char* append(std::uint32_t handle, std::uint64_t size) = 0;  ///< room for `size` more bytes
  virtual void shrink(std::uint32_t handle, std::uint64_t size) = 0;   ///< cut its content to `size` bytes
  virtual void share(std::uint32_t handle, std::uint32_t from, std::uint64_t offset, std::uint64_t size) = 0;
  virtual void set(std::uint32_t handle, Text name, Text value) = 0;
  virtual void erase(std::uint32_t handle, Text name) = 0;
  virtual void records(std::uint32_t handle, std::uint32_t count) = 0;

  virtual bool routed(std::uint32_t relationship) const = 0;  ///< false: what goes there ends there, and is never read
  virtual void omit(std::uint32_t handle, std::uint64_t size) = 0;  ///< counts bytes of content that are not written

  virtual void transfer(std::uint32_t handle, std::uint32_t relationship) = 0;
  virtual void transfer_each(const std::uint32_t* relationship_of_input) = 0;  ///< one an input; kNone drops it
  virtual void drop(std::uint32_t handle, Text reason) = 0;
  virtual void hold(std::uint32_t handle) = 0;
  virtual void penalize(std::uint32_t handle, std::int64_t nanoseconds) = 0;
  virtual void reject(std::uint32_t handle, Text message) = 0;
  virtual void consume_until(std::uint32_t handle, std::uint64_t offset) = 0;
  virtual bool over_budget() const = 0;

  virtual std::uint32_t held_count() const = 0;
  virtual std::uint32_t take_held(std::uint32_t index) = 0;  ///< handle of the index-th held FlowFile, oldest first

  virtual std::uint64_t mark() = 0;
  virtual void undo(std::uint64_t mark) = 0;

  virtual bool state_get(Text key, Text* value) = 0;  ///< valid until the next state call
  virtual void state_set(Text key, Text value) = 0;
  virtual void state_erase(Text key) = 0;
  virtual void state_scan(Text from, Text to, StateVisitor* visitor) = 0;  ///< from <= key < to; empty `to`: to the end

  virtual void event(Text type, Text transit_uri, Text details) = 0;
  virtual void contribute(std::uint32_t input, std::uint64_t group) = 0;
  virtual void created_from_group(std::uint32_t handle, std::uint64_t group) = 0;

  virtual std::int64_t now() const = 0;
  virtual void tick_at(std::int64_t when) = 0;  ///< nanoseconds since 1970, flow's clock; the earliest asked for counts
  virtual void again() = 0;                     ///< a source has more to give at once
  virtual void finished() = 0;                  ///< a source has nothing more to give, ever
  virtual void when_durable(std::uint64_t token) = 0;

 protected:
  ~Session() = default;
};

/// An input connection as a processor finds it at start.
struct Input {
  Text id;
  std::uint64_t cursor;  ///< first sequence not done in the recovered epoch
  std::uint64_t next;    ///< sequence that the next FlowFile will get
};

enum class Level : std::uint32_t { debug, info, warning, error };

/// A number the processor shows in /metrics. Thread-safe.
class Metric {
 public:
  virtual void add(double value) = 0;
  virtual void set(double value) = 0;

 protected:
  ~Metric() = default;
};

/// What the host offers one processor instance, from start() to stop(). Every function is thread-safe.
class Context {
 public:
  virtual Text flow() const = 0;
  virtual Text name() const = 0;
  virtual Text folder() = 0;  ///< a directory of the processor's own inside the data directory, created on demand
  virtual Text store_id() const = 0;  ///< UUID of the data directory
  virtual std::uint32_t input_count() const = 0;
  virtual Input input(std::uint32_t index) const = 0;
  virtual std::uint32_t relationship(Text name) const = 0;  ///< kNone: no such relationship
  virtual bool exactly_once() const = 0;
  virtual bool until_idle() const = 0;  ///< batch mode: a source ends when it has nothing more
  virtual std::int64_t now() const = 0;
  virtual void wake() = 0;  ///< asks for a step soon; a source's client thread calls it when it has data
  virtual void log(Level level, Text message) = 0;
  virtual void bulletin(Level level, Text message) = 0;
  virtual Metric* metric(Text name, Text help, bool counter) = 0;
  virtual void* interface(const char* name) = 0;  ///< a further, named interface; null: this host has none

 protected:
  ~Context() = default;
};

/// Context::interface("weir.readiness.1") is a Readiness. A processor that has started is ready, unless it says that it
/// waits for something. Thread-safe.
inline constexpr const char* kReadinessInterface = "weir.readiness.1";

class Readiness {
 public:
  virtual void waits_for(Text what) = 0;  ///< empty: for nothing, it is ready

 protected:
  ~Readiness() = default;
};

enum class Trigger : std::uint32_t {
  input,   ///< there are inputs; or, for a source, room for output
  tick,    ///< the time asked for by tick_at has come
  flush,   ///< an epoch is about to be cut: make durable outside what is held, and finish it
  finish,  ///< no input will ever come again: emit what is still open
};

class Processor {
 public:
  virtual Status start(Context* context, Report* report) = 0;
  virtual Status step(Session* session, Trigger trigger, Report* report) = 0;
  virtual void durable(std::uint64_t token) = 0;  ///< the session that named the token is on disk; committer's thread
  virtual void stop() = 0;
  virtual void destroy() = 0;

 protected:
  ~Processor() = default;
};

class ProcessorType {
 public:
  virtual const Spec* spec() const = 0;
  virtual Status create(const Node* settings, Processor** processor, Report* report) const = 0;

 protected:
  ~ProcessorType() = default;
};

class Plugin {
 public:
  virtual std::uint32_t type_count() const = 0;
  virtual const ProcessorType* type(std::uint32_t index) const = 0;

 protected:
  ~Plugin() = default;
};

// ------------------------------------------------------------------------------------------ SQL over records

/// Context::interface("weir.sql.1") is a Sql.
inline constexpr const char* kSqlInterface = "weir.sql.1";

enum class ValueType : std::uint32_t { null, integer, real, text, json };

struct Value {
  ValueType type;
  std::int64_t integer;  ///< also of as_time: nanoseconds since 1970
  double real;           ///< also set for an integer
  Text text;             ///< of text (decoded) and json (raw)
  Text raw;              ///< the field's own JSON token where the column is a bare field; else empty
};

enum class As : std::uint32_t {
  any,
  time,    ///< integer: nanoseconds since 1970, by the field's declaration, or RFC 3339 text or Unix time by magnitude
  number,  ///< real; another type fails the record
  text,    ///< text; numbers keep their own digits
};

struct Column {
  Text sql;  ///< an expression; if `is_template`, text with $(SQL)
  bool is_template;
  Encoding encoding;
  As as;
};

struct Assignment {
  Text field;
  Text sql;
};

/// A table that a query's SQL can join with: read when the query is prepared, and again when its file has changed.
struct Table {
  Text name;
  Text format;  ///< csv, json or sqlite
  Text path;
  Text table;  ///< of sqlite: the table or view; empty: `name`
};

/// What to compute for each record. Columns may be combined with either a select or assignments and removals.
struct Query {
  const Column* columns;
  std::uint32_t column_count;
  Text select;  ///< SELECT … FROM record …; each result row is an output record
  const Assignment* set;
  std::uint32_t set_count;
  const Text* remove;
  std::uint32_t remove_count;
  bool per_flowfile;  ///< one row a FlowFile: its first record's fields, if it has one, and attributes
  bool generator;     ///< rows come from `seq`, by Statement::generate
  const Table* tables;
  std::uint32_t table_count;
};

/// How records stand in a FlowFile's content.
enum class Form : std::uint32_t { object, array, lines };

struct Row {
  std::uint32_t input;   ///< index into the items given
  std::uint32_t record;  ///< index of the record in its FlowFile
  Form form;
  Text json;            ///< the record's own bytes; of a broken one, the bytes that could not be read
  const Value* values;  ///< one a column
  Text output;          ///< the record that select, or set and remove, made; else empty
  Text error;           ///< why this record fails; else empty. Then values and output are not to be used
};

/// Receives rows in the order of the input; a record that a select filters out yields none. False ends the run.
class Rows {
 public:
  virtual bool row(const Row& row) = 0;

 protected:
  ~Rows() = default;
};

/// A compiled query. Not thread-safe: a concurrent processor prepares one a thread, or locks.
class Statement {
 public:
  virtual Status run(Session* session, std::uint32_t first, std::uint32_t count, Rows* rows, Report* report) = 0;
  virtual Status generate(std::uint64_t first, std::uint64_t count, Rows* rows, Report* report) = 0;
  virtual void release() = 0;

 protected:
  ~Statement() = default;
};

class Sql {
 public:
  /// Compiles against the record declared for this processor's input. Errors: misconfigured, with the message.
  virtual Status prepare(const Query* query, Statement** statement, Report* report) = 0;
  virtual ~Sql() = default;  ///< the host's
};

// --------------------------------------------------------------------------------------------- the declared record

/// Context::interface("weir.record.1") is a DeclaredRecord, or null where the input has no declaration.
inline constexpr const char* kRecordInterface = "weir.record.1";

struct DeclaredField {
  Text name;
  Text type;  ///< any, text, integer, number, boolean, time or json
  bool required;
};

/// The fields that the flow declares for a processor's input. Valid as long as the context.
class DeclaredRecord {
 public:
  virtual Text name() const = 0;
  virtual std::uint32_t size() const = 0;
  virtual DeclaredField field(std::uint32_t index) const = 0;
  virtual ~DeclaredRecord() = default;  ///< the host's
};

}  // namespace weir::abi

// The processors that every flow needs, whatever its data: a generator, attributes, a log, an end.

#include "weir/plugin.h"

#include "discard.h"
#include "generate_flowfile.h"
#include "log.h"
#include "update_attributes.h"

WEIR_PLUGIN(weir::type<weir::standard::GenerateFlowFile>(weir::standard::generate_flowfile_spec()),
            weir::type<weir::standard::UpdateAttributes>(weir::standard::update_attributes_spec()),
            weir::type<weir::standard::Log>(weir::standard::log_spec()),
            weir::type<weir::standard::Discard>(weir::standard::discard_spec()))

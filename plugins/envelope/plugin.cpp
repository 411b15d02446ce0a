#include "weir/plugin.h"

#include "envelope.h"

WEIR_PLUGIN(weir::type<weir::envelope::Envelope>(weir::envelope::envelope_spec()))

// Times llama.cpp on random weights in a published architecture and tensor layout (see sweep.py).
//
//     sweep list LAYOUT              the tensors that the architecture has, one a line: name, type, shape
//     sweep run LAYOUT [long|short]  one JSON line a load; short leaves out the context of 32,768 tokens
//
// A load is timed in a context that has served a prompt before. Prompts go in batches of 2,048, one sequence after
// another; decoding takes 4 steps that are not counted, then 48 (one stream) or 24 (several), one token a stream.

#include "ggml-backend.h"
#include "ggml.h"
#include "gguf.h"
#include "llama.h"
#include "nlohmann/json.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

using json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

// of llama.cpp's own tools
const std::vector<std::pair<std::string, ggml_tensor *>> & llama_internal_get_tensor_map(const llama_model * model);

static const int BATCH = 2048, UNCOUNTED = 4, STREAMS = 32, PROMPT = 1024;

static double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

[[noreturn]] static void fail(const std::string & why) {
    fprintf(stderr, "sweep: %s\n", why.c_str());
    exit(1);
}

// Metadata

static void set_key(gguf_context * to, const char * key, const json & value) {
    if (value.is_string()) {
        gguf_set_val_str(to, key, value.get<std::string>().c_str());
    } else if (value.is_boolean()) {
        gguf_set_val_bool(to, key, value.get<bool>());
    } else if (value.is_number_integer()) {
        gguf_set_val_u32(to, key, value.get<uint32_t>());
    } else if (value.is_number_float()) {
        gguf_set_val_f32(to, key, value.get<float>());
    } else if (value.is_array() && value[0].is_boolean()) {
        std::vector<int8_t> values(value.begin(), value.end());
        gguf_set_arr_data(to, key, GGUF_TYPE_BOOL, values.data(), values.size());
    } else if (value.is_array()) {
        auto values = value.get<std::vector<uint32_t>>();
        gguf_set_arr_data(to, key, GGUF_TYPE_UINT32, values.data(), values.size());
    } else {
        fail(std::string("cannot store ") + key);
    }
}

static ggml_type type_named(const std::string & name) {
    for (int type = 0; type < GGML_TYPE_COUNT; type++) {
        const char * known = ggml_type_name((ggml_type) type);
        if (known && name == known) {
            return (ggml_type) type;
        }
    }
    fail("no tensor type " + name);
}

static void set_vocabulary(gguf_context * to, int size) {
    std::vector<std::string> words(size);
    std::vector<const char *> pointers(size);
    std::vector<float> scores(size, 0.0f);
    for (int i = 0; i < size; i++) {
        words[i] = "tok_" + std::to_string(i);
        pointers[i] = words[i].c_str();
    }
    gguf_set_val_str(to, "tokenizer.ggml.model", "test");
    gguf_set_arr_str(to, "tokenizer.ggml.tokens", pointers.data(), size);
    gguf_set_arr_data(to, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, scores.data(), size);
}

static gguf_context * metadata(const json & layout) {
    gguf_context * made = gguf_init_empty();
    gguf_set_val_str(made, "general.architecture", layout["arch"].get<std::string>().c_str());
    for (auto & [key, value] : layout["kv"].items()) {
        set_key(made, key.c_str(), value);
    }
    set_vocabulary(made, layout["n_vocab"]);
    for (auto & [name, type] : layout["types"].items()) {  // only the type counts: shapes follow from the keys
        ggml_tensor tensor = {};
        tensor.type = type_named(type);
        tensor.ne[0] = ggml_blck_size(tensor.type);
        tensor.ne[1] = tensor.ne[2] = tensor.ne[3] = 1;
        std::fill(tensor.nb, tensor.nb + GGML_MAX_DIMS, ggml_type_size(tensor.type));
        ggml_set_name(&tensor, name.c_str());
        gguf_add_tensor(made, &tensor);
    }
    return made;
}

// Weights

struct Weights {
    std::mt19937 random{1};
    std::map<ggml_type, std::vector<uint8_t>> blocks;  // random ones of each type, repeated in every matrix
    size_t bytes = 0;
    std::map<std::string, int64_t> params;

    float normal(float sd) { return std::normal_distribution<float>(0.0f, sd)(random); }

    const std::vector<uint8_t> & blocks_of(ggml_type type) {
        auto & found = blocks[type];
        if (found.empty()) {
            const int64_t width = 4096, rows = 2048;
            std::vector<float> values(width * rows), importance(width, 1.0f);
            std::generate(values.begin(), values.end(), [&] { return normal(0.02f); });
            found.resize(ggml_row_size(type, width) * rows);
            ggml_quantize_chunk(type, values.data(), found.data(), 0, rows, width, importance.data());
        }
        return found;
    }
};

static bool contains(const std::string & text, const char * part) { return text.find(part) != std::string::npos; }

// Norms and scales are 1, decays negative; routers and other small tensors are random throughout.
static void fill(ggml_tensor * tensor, void * given) {
    Weights & weights = *static_cast<Weights *>(given);
    const size_t size = ggml_nbytes(tensor);
    const std::string name = tensor->name;
    weights.bytes += size;
    weights.params[ggml_type_name(tensor->type)] += ggml_nelements(tensor);
    if (tensor->type == GGML_TYPE_F32) {
        const bool one = contains(name, "norm") || contains(name, "scale");
        const bool decay = contains(name, "ssm_a") && !contains(name, "alpha");
        std::vector<float> values(ggml_nelements(tensor));
        for (float & value : values) {
            value = one ? 1.0f : decay ? -std::fabs(weights.normal(0.1f)) - 0.1f : weights.normal(0.1f);
        }
        ggml_backend_tensor_set(tensor, values.data(), 0, size);
        return;
    }
    const auto & blocks = weights.blocks_of(tensor->type);
    for (size_t at = 0; at < size; at += blocks.size()) {
        ggml_backend_tensor_set(tensor, blocks.data(), at, std::min(blocks.size(), size - at));
    }
}

// Loads

struct Step {
    double mean, median, least, most;
};

class Session {
  public:
    Session(llama_model * model, int tokens, int streams) : batch(llama_batch_init(BATCH, 0, 1)) {
        auto params = llama_context_default_params();
        params.n_ctx = tokens * streams;
        params.n_seq_max = streams;
        params.n_batch = params.n_ubatch = BATCH;
        params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
        params.swa_full = false;  // as the tools do: windows keep what they need
        params.n_threads = params.n_threads_batch = 8;
        params.no_perf = true;
        context = llama_init_from_model(model, params);
        if (!context) {
            fail("no context");
        }
        vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
        prefill(0, std::min(tokens, BATCH));
    }

    ~Session() {
        llama_batch_free(batch);
        llama_free(context);
    }

    // Seconds that a prompt takes a sequence.
    double prefill(int sequence, int tokens) {
        const auto start = Clock::now();
        llama_memory_seq_rm(llama_get_memory(context), sequence, -1, -1);
        for (int at = 0; at < tokens; at += BATCH) {
            batch.n_tokens = 0;
            for (int i = at; i < std::min(at + BATCH, tokens); i++) {
                add(sequence, i, i == tokens - 1);
            }
            decode();
        }
        llama_synchronize(context);
        return since(start);
    }

    void clear() { llama_memory_clear(llama_get_memory(context), true); }

    // Times of steps in which the first so many sequences, each so long, decode a token each.
    Step steps(int streams, int length, int count) {
        std::vector<double> times;
        for (int step = 0; step < UNCOUNTED + count; step++) {
            batch.n_tokens = 0;
            for (int sequence = 0; sequence < streams; sequence++) {
                add(sequence, length + step, true);
            }
            const auto start = Clock::now();
            decode();
            llama_synchronize(context);
            if (step >= UNCOUNTED) {
                times.push_back(since(start));
            }
        }
        const double mean = std::accumulate(times.begin(), times.end(), 0.0) / times.size();
        std::sort(times.begin(), times.end());
        return {mean, times[times.size() / 2], times.front(), times.back()};
    }

  private:
    void add(int sequence, int position, bool answered) {
        const int i = batch.n_tokens++;
        batch.token[i] = (llama_token) (random() % vocabulary);
        batch.pos[i] = position;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = sequence;
        batch.logits[i] = answered;
    }

    void decode() {
        if (llama_decode(context, batch)) {
            fail("decoding failed");
        }
    }

    llama_context * context;
    llama_batch batch;
    int vocabulary;
    std::mt19937 random{7};
};

static void time_loads(llama_model * model, const json & head, bool with_longest) {
    auto say = [&](int streams, int prompt, int length, double prefill_s, Step step, int count) {
        json line = head;
        line["concurrency"] = streams;
        line["isl"] = prompt;
        line["osl"] = count;
        line["kv"] = length + UNCOUNTED;
        if (prefill_s > 0) {
            line["prefill_tok_s"] = streams * prompt / prefill_s;
        }
        line["decode_total_tok_s"] = streams / step.mean;
        line["p50"] = step.median;
        line["min"] = step.least;
        line["max"] = step.most;
        printf("%s\n", line.dump().c_str());
        fflush(stdout);
    };
    {
        Session alone(model, with_longest ? 33024 : 8448, 1);
        for (int prompt : {0, 2048, 8192, 32768}) {
            if (prompt <= 8192 || with_longest) {
                alone.clear();
                const double prefill_s = prompt ? alone.prefill(0, prompt) : 0.0;
                say(1, prompt, prompt, prefill_s, alone.steps(1, prompt, 48), 48);
            }
        }
    }
    Session together(model, 2304, STREAMS);
    together.clear();
    double prefill_s = 0.0;
    for (int sequence = 0; sequence < STREAMS; sequence++) {
        prefill_s += together.prefill(sequence, PROMPT);
    }
    int length = PROMPT;  // the first sequences grow with each load
    for (int streams = STREAMS; streams > 1; streams /= 2) {
        say(streams, PROMPT, length, streams == STREAMS ? prefill_s : 0.0, together.steps(streams, length, 24), 24);
        length += UNCOUNTED + 24;
    }
}

int main(int argc, char ** argv) {
    if (argc < 3) {
        fail("sweep list|run LAYOUT [long|short]");
    }
    const bool list = !strcmp(argv[1], "list");
    const json layout = json::parse(std::ifstream(argv[2]));
    ggml_backend_load_all();
    llama_backend_init();
    auto params = llama_model_default_params();
    params.n_gpu_layers = list ? 0 : 999;
    params.no_alloc = list;
    params.progress_callback = [](float, void *) { return true; };
    Weights weights;
    llama_model * model = llama_model_init_from_user(metadata(layout), fill, &weights, params);
    if (!model) {
        fail("no model");
    }
    if (list) {
        for (auto & [name, tensor] : llama_internal_get_tensor_map(model)) {
            printf("%s %s", name.c_str(), ggml_type_name(tensor->type));
            for (int i = 0; i < ggml_n_dims(tensor); i++) {
                printf(" %lld", (long long) tensor->ne[i]);
            }
            printf("\n");
        }
    } else {
        const json head = {{"model", layout["model"]}, {"quant", layout["quant"]}};
        json told = head;
        told["weights"] = weights.bytes;
        told["params"] = weights.params;
        printf("%s\n", told.dump().c_str());
        time_loads(model, head, argc < 4 || !strcmp(argv[3], "long"));
    }
    llama_model_free(model);
}

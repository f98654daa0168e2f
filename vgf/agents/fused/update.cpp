// Whole updates of the agents on a CPU, fused: the twin of what `vgf/agents/*.py` does with autograd.
//
// One call does k updates of S seeds. Rows go through a network in blocks that stay in the core's cache, matrix products
// are those of the library that torch ships (`at::native::cpublas::brgemm`, which picks AMX, AVX-512 or AVX2 at run time),
// everything between two products is one pass over a row, and Adam is one pass over a network. Names above functions
// are those of the eager twin; `tests/test_fused.py` holds each equal to it, in float64 to rounding.
//
// Two identities save work and are exact:
// - a layer normalisation does not see the mean of its input, so weights W - mean_out(W) and biases b - mean(b) give it
//   an input of mean zero, and one of two reductions disappears, forward and backward;
// - the gradient of a loss on one output is the gradient of the output times a factor for each row, so one backward pass
//   gives both the critic's gradient in the action and, scaled where it meets the inputs, that of the loss.
//
// Types: F holds numbers and sums (float; double in tests), C multiplies where nothing learns, L where something does
// (float or bfloat16). The first layer, the last layer, values, targets and the flow are in F whatever C and L are.

#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

using Int = int64_t;
using Low = at::BFloat16;

// What Python hands over; `_layout.py` declares the same structures, field by field.
extern "C" {
struct Mlp {  // a perceptron of all seeds and members: `vgf.networks.MLP`
  Int depth, members, norm;        // weight matrices (0: there is no such network), members of a seed, normalised?
  const Int* widths;               // [depth + 1], from input to output
  void **parameters, **mean, **square;  // weights, biases, gains, offsets [S, E, ...]; Adam's moments of each
  Int steps;                       // Adam's steps so far; counted on here
  double learning_rate;
};
struct Job {
  Int method, precision, updates, seeds, batch, observation, action, rows;
  Mlp networks[8];                 // by `Role`; IQL's log_std is the one parameter of STD
  const void *observations, *actions, *rewards, *masks, *next_observations;  // columns of the dataset, [T, ...]
  const Int* index;                // [k, S, B], rows of each update's batch
  const void* noise[4];            // [k, S, ...]; which, says each method
  void* bank;                      // float16 [S, T, K, d], or null
  const Int* start;                // [k, S, B]: where in its bank a state's particles begin
  Int bank_size, particles, flow_steps, train_steps, flags, delay, first_update;
  double setting[8];               // numbers of the method
  void* metrics;                   // [k, S, 8], by position
};
}

enum Method { VGF, FQL, IMPLICIT, TD3, BANK };
enum Role { CRITIC, TARGET, REFERENCE, ACTOR, FIT, VALUE, ACTOR_TARGET, STD };
enum Flag {
  TRAIN_CRITIC = 1, CLONE = 2, ADAM_FLOW = 4, REPULSION = 8, FLOW_MIN = 16, TARGET_MIN = 32, TARGET_MAX = 64,
  UNIT_GRADIENT = 128, NORMALISE_Q = 256, SQUASH = 512, WEIGHTED = 1024, FIRST_CRITIC = 2048, MEAN_SQUARE = 4096
};

namespace {

constexpr double NORM_EPS = 1e-6, BETA1 = 0.9, BETA2 = 0.999, ADAM_EPS = 1e-8, MEDIAN_FLOOR = 5e-7;
constexpr Int METRICS = 8, STATES = 32;  // metrics of an update; states whose particles move together

// ---------------------------------------------------------------------------------------------------------------------
// Memory, numbers and products

// Aligned to cache lines: an unaligned tile straddles two, which costs a quarter of a product's speed.
template <class T> struct Array {
  struct Free { void operator()(T* p) const { std::free(p); } };
  std::unique_ptr<T[], Free> data;
  size_t size = 0;
  T* fit(Int wanted) {
    if (static_cast<size_t>(wanted) > size) {
      size = wanted;
      data.reset(static_cast<T*>(std::aligned_alloc(64, (size * sizeof(T) + 127) / 64 * 64)));
      if (!data) throw std::bad_alloc();
      std::memset(data.get(), 0, size * sizeof(T));
    }
    return data.get();
  }
  operator T*() const { return data.get(); }
};

template <class T> constexpr Int even(Int k) { return std::is_same_v<T, Low> ? (k + 1) / 2 * 2 : k; }  // pairs

inline uint32_t rounded(float x) {  // to bfloat16, to nearest even, in the upper half
  const uint32_t u = std::bit_cast<uint32_t>(x);
  return (u + 0x7fff + ((u >> 16) & 1)) & 0xffff0000u;
}

inline bool positive(Low x) { return float(x) > 0; }
template <class F> bool positive(F x) { return x > 0; }

template <class F> void put(F* to, Int j, F x) { to[j] = x; }
inline void put(Low* to, Int j, float x) { reinterpret_cast<uint16_t*>(to)[j] = rounded(x) >> 16; }

// c [m, n] (+)= a [m, k] b [k, n]. In bfloat16 b holds pairs of rows interleaved, and k is even.
inline void product(Int m, Int n, Int k, const float* a, Int lda, const float* b, float* c, bool add = false) {
  at::native::cpublas::brgemm(m, n, k, lda, n, n, add, a, b, c, false);
}
inline void product(Int m, Int n, Int k, const Low* a, Int lda, const Low* b, float* c, bool add = false) {
  at::native::cpublas::brgemm(m, n, k, lda, n, n, add, a, b, c, true);
}
inline void product(Int m, Int n, Int k, const double* a, Int lda, const double* b, double* c, bool add = false) {
  for (Int i = 0; i < m; ++i) {  // the library offers none; tests alone use it
    if (!add) std::fill_n(c + i * n, n, 0.0);
    for (Int l = 0; l < k; ++l)
      for (Int j = 0; j < n; ++j) c[i * n + j] += a[i * lda + l] * b[l * n + j];
  }
}

template <class T> void transpose(const T* from, Int rows, Int columns, Int ld, T* to, Int to_ld) {
  constexpr Int B = 16;
  for (Int i0 = 0; i0 < rows; i0 += B)
    for (Int j0 = 0; j0 < columns; j0 += B)
      for (Int j = j0; j < std::min(j0 + B, columns); ++j)
        for (Int i = i0; i < std::min(i0 + B, rows); ++i) to[j * to_ld + i] = from[i * ld + j];
}

// Make [k, n] the right-hand side of a product.
template <class F> void right(const F* from, Int k, Int n, F* to) { std::copy_n(from, k * n, to); }
inline void right(const float* from, Int k, Int n, Low* to) {
  auto* out = reinterpret_cast<uint32_t*>(to);
  for (Int i = 0; i < k; i += 2) {
    const float *a = from + i * n, *b = a + n;
    if (i + 1 < k) for (Int j = 0; j < n; ++j) out[i / 2 * n + j] = rounded(a[j]) >> 16 | rounded(b[j]);
    else for (Int j = 0; j < n; ++j) out[i / 2 * n + j] = rounded(a[j]) >> 16;
  }
}
// Make the transpose of [k, n] the right-hand side of a product: pairs of its rows are pairs in a row of [k, n].
template <class F> void right_transposed(const F* from, Int k, Int n, F* to, Array<F>&) { transpose(from, k, n, n, to, k); }
inline void right_transposed(const float* from, Int k, Int n, Low* to, Array<Low>& row) {
  const Int ld = even<Low>(n);
  row.fit(k * ld);
  for (Int i = 0; i < k; ++i) for (Int j = 0; j < n; ++j) put(row + i * ld, j, from[i * n + j]);
  if (ld > n) for (Int i = 0; i < k; ++i) row[i * ld + n] = Low(0.f);
  transpose(reinterpret_cast<uint32_t*>(row.data.get()), k, ld / 2, ld / 2, reinterpret_cast<uint32_t*>(to), k);
}

// ---------------------------------------------------------------------------------------------------------------------
// A perceptron: weights as products want them, rows on their way through it, gradients, Adam

// The weights of one member of one seed. Inputs are a state followed by `rest` others (action, time).
template <class T, class F> struct Packed {
  Int in = 0, rest = 0, hidden = 0, out = 0;
  bool norm = false;
  std::vector<Int> w;                                     // widths of the hidden layers
  std::vector<Array<T>> ahead, back;                      // [w[i-1], w[i]] and its transpose
  std::vector<Array<F>> bias;
  Array<F> first, first_rest, last_t, row;                // [in, w0]; rows of `rest`, transposed; [out, w]
  Array<T> low;
  std::vector<const F*> gain, offset;
  const F *last = nullptr, *last_bias = nullptr;

  void pack(const Mlp& net, Int seed, Int member, Int state, bool backward) {
    const Int at = seed * net.members + member;
    auto parameter = [&](Int i, Int n) { return static_cast<const F*>(net.parameters[i]) + at * n; };
    hidden = net.depth - 1, in = net.widths[0], out = net.widths[net.depth], rest = in - state, norm = net.norm;
    w.assign(net.widths + 1, net.widths + net.depth);
    ahead.resize(hidden), back.resize(hidden), bias.resize(hidden);
    gain.assign(hidden, nullptr), offset.assign(hidden, nullptr);
    for (Int i = 0; i < hidden; ++i) {
      const Int k = net.widths[i], n = w[i];
      const F *weights = parameter(i, k * n), *b = parameter(net.depth + i, n);
      F *c = row.fit((k + 1) * n), *own = bias[i].fit(n);
      std::copy_n(weights, k * n, c), std::copy_n(b, n, c + k * n);
      if (norm) {
        gain[i] = parameter(2 * net.depth + i, n), offset[i] = parameter(2 * net.depth + hidden + i, n);
        for (Int r = 0; r <= k; ++r) {
          F sum = 0;
          for (Int j = 0; j < n; ++j) sum += c[r * n + j];
          for (Int j = 0; j < n; ++j) c[r * n + j] -= sum / n;
        }
      }
      std::copy_n(c + k * n, n, own);
      if (i == 0) {
        std::copy_n(c, k * n, first.fit(k * n));
        if (backward && rest) transpose(c + state * n, rest, n, n, first_rest.fit(rest * n), rest);
      } else {
        right(c, k, n, ahead[i].fit(even<T>(k) * n));
        if (backward) right_transposed(c, k, n, back[i].fit(even<T>(n) * k), low);
      }
    }
    last = parameter(hidden, w.back() * out), last_bias = parameter(net.depth + hidden, out);
    if (backward && out > 1) transpose(last, w.back(), out, out, last_t.fit(w.back() * out), w.back());
  }
};

// Gradients of one member, in the order of its parameters.
template <class F> struct Gradients {
  std::vector<Array<F>> of;
  void fit(const Mlp& net) {
    const Int hidden = net.depth - 1;
    of.resize(2 * net.depth + (net.norm ? 2 * hidden : 0));
    for (Int i = 0; i < net.depth; ++i) {
      of[i].fit(net.widths[i] * net.widths[i + 1]), of[net.depth + i].fit(net.widths[i + 1]);
      if (net.norm && i < hidden) of[2 * net.depth + i].fit(net.widths[i + 1]), of[2 * net.depth + hidden + i].fit(net.widths[i + 1]);
    }
  }
};

// Rows on their way through a network: what they were at each layer, for the way back.
template <class T, class F> struct Pass {
  std::vector<Array<F>> h, scale;                         // before the normalisation [m, w]; one over its spread [m]
  std::vector<Array<T>> y;                                // after the activation [m, w]
  Array<F> top, g, next, sum, d_last, x_t;                // the last activation; derivatives; scratch
  Array<T> d, d_right, y_t;
  void fit(const Packed<T, F>& net, Int m) {
    h.resize(net.hidden), scale.resize(net.hidden), y.resize(net.hidden);
    Int widest = 1;
    for (Int i = 0; i < net.hidden; ++i) {
      h[i].fit(m * net.w[i]), scale[i].fit(m), y[i].fit(m * even<T>(net.w[i]));
      widest = std::max(widest, even<T>(net.w[i]));
    }
    top.fit(m * net.w.back()), g.fit(m * widest), next.fit(m * widest), d.fit(m * widest);
  }
};

// One row through bias, normalisation and activation: h becomes h + bias, y what leaves; returns one over h's spread.
template <class T, class F>
F row_ahead(F* h, const F* bias, const F* gain, const F* offset, Int w, T* y) {
  F sum = 0;
  for (Int j = 0; j < w; ++j) h[j] += bias[j], sum += h[j] * h[j];
  const F scale = gain ? 1 / std::sqrt(sum / w + F(NORM_EPS)) : F(1);
  if (gain) for (Int j = 0; j < w; ++j) {
    const F t = h[j] * scale * gain[j] + offset[j];
    put(y, j, t < 0 ? F(0) : t);  // a NaN goes through
  }
  else for (Int j = 0; j < w; ++j) put(y, j, h[j] < 0 ? F(0) : h[j]);
  return scale;
}

// `MLP.forward` of m rows whose first layer stands in p.h[0], its bias not yet added, to out [m, out].
template <class T, class F> void forward(const Packed<T, F>& net, Pass<T, F>& p, Int m, F* out) {
  const Int last = net.hidden - 1, top = net.w[last];
  for (Int i = 0; i <= last; ++i) {
    const Int w = net.w[i], ld = even<T>(w);
    const F *bias = net.bias[i], *gain = net.gain[i], *offset = net.offset[i];
    if (i == last) for (Int r = 0; r < m; ++r) p.scale[i][r] = row_ahead(p.h[i] + r * w, bias, gain, offset, w, p.top + r * w);
    else {
      for (Int r = 0; r < m; ++r) p.scale[i][r] = row_ahead(p.h[i] + r * w, bias, gain, offset, w, p.y[i] + r * ld);
      product(m, net.w[i + 1], ld, p.y[i], ld, net.ahead[i + 1], p.h[i + 1]);
    }
  }
  if (net.out > 1) product(m, net.out, top, p.top, top, net.last, out);
  for (Int r = 0; r < m; ++r) {
    if (net.out == 1) {
      F sum = 0;
      for (Int j = 0; j < top; ++j) sum += p.top[r * top + j] * net.last[j];
      out[r] = sum;
    }
    for (Int j = 0; j < net.out; ++j) out[r * net.out + j] += net.last_bias[j];
  }
}

// One row's derivative g through activation and normalisation, in place and to `low`; with `d_gain` the parameters' own.
template <class Y, class T, class F>
void row_back(F* g, const F* h, const Y* y, Int w, const F* gain, F scale, F* d_gain, F* d_offset, F factor, bool centre, T* low) {
  F along = 0, mean = 0;
  if (d_gain) for (Int j = 0; j < w; ++j) {
    const F dy = positive(y[j]) ? g[j] * factor : F(0);
    d_offset[j] += dy, d_gain[j] += dy * h[j] * scale;
  }
  if (gain) for (Int j = 0; j < w; ++j) {
    g[j] = positive(y[j]) ? g[j] * gain[j] : F(0);
    along += g[j] * h[j], mean += g[j];
  }
  else for (Int j = 0; j < w; ++j) g[j] = positive(y[j]) ? g[j] : F(0);
  const F a = gain ? along * scale * scale / w : F(0), b = gain && centre ? mean / w : F(0);
  if (low) for (Int j = 0; j < w; ++j) {
    g[j] = scale * (g[j] - h[j] * a - b);
    put(low, j, g[j]);
  }
  else for (Int j = 0; j < w; ++j) g[j] = scale * (g[j] - h[j] * a - b);
}

// The way back of the m rows of `forward`: derivative in the inputs after the state, and the parameters' gradients.
//   d [m, out]: derivative in the output, null for one; factor [m]: multiplies the gradients of each row, null for one.
template <class T, class F>
void backward(const Packed<T, F>& net, Pass<T, F>& p, Int m, const F* d, const F* factor, const F* x, F* to_rest,
              Gradients<F>* grad) {
  const Int top = net.w.back(), depth = net.hidden + 1;
  if (net.out > 1) product(m, top, net.out, d, net.out, net.last_t, p.g);
  else for (Int r = 0; r < m; ++r) for (Int j = 0; j < top; ++j) p.g[r * top + j] = (d ? d[r] : F(1)) * net.last[j];
  if (grad) {  // the last layer: top^T d
    F *dw = grad->of[net.hidden], *db = grad->of[depth + net.hidden];
    F* dl = p.d_last.fit(m * net.out);
    std::fill_n(db, net.out, F(0));
    for (Int r = 0; r < m; ++r) for (Int j = 0; j < net.out; ++j) {
      dl[r * net.out + j] = (d ? d[r * net.out + j] : F(1)) * (factor ? factor[r] : F(1));
      db[j] += dl[r * net.out + j];
    }
    transpose(p.top.data.get(), m, top, top, p.x_t.fit(m * top), m);
    product(top, net.out, m, p.x_t, m, dl, dw);
  }
  for (Int i = net.hidden - 1; i >= 0; --i) {
    const Int w = net.w[i], ld = even<T>(w), above = i ? net.w[i - 1] : 0;
    F *d_gain = nullptr, *d_offset = nullptr, *g = p.g;
    if (grad && net.norm) {
      d_gain = grad->of[2 * depth + i], d_offset = grad->of[2 * depth + net.hidden + i];
      std::fill_n(d_gain, w, F(0)), std::fill_n(d_offset, w, F(0));
    }
    for (Int r = 0; r < m; ++r) {
      const F f = factor ? factor[r] : F(1), scale = p.scale[i][r], *h = p.h[i] + r * w, *gain = net.gain[i];
      T* low = i ? p.d + r * ld : nullptr;
      if (i == net.hidden - 1) row_back(g + r * w, h, p.top + r * w, w, gain, scale, d_gain, d_offset, f, grad != nullptr, low);
      else row_back(g + r * w, h, p.y[i] + r * ld, w, gain, scale, d_gain, d_offset, f, grad != nullptr, low);
    }
    if (!i && to_rest) product(m, net.rest, w, g, w, net.first_rest, to_rest);
    if (grad) {
      F* db = grad->of[depth + i];
      std::fill_n(db, w, F(0));
      for (Int r = 0; r < m; ++r) {
        const F f = factor ? factor[r] : F(1);
        for (Int j = 0; j < w; ++j) db[j] += g[r * w + j] *= f;
      }
      if (i) {
        const Int rows = even<T>(m), py = even<T>(above);
        right(g, m, w, p.d_right.fit(rows * w));
        transpose(p.y[i - 1].data.get(), m, above, py, p.y_t.fit(above * rows), rows);
        if (rows > m) for (Int j = 0; j < above; ++j) p.y_t[j * rows + m] = T(0);
        product(above, w, rows, p.y_t, rows, p.d_right, grad->of[i]);
      } else {
        transpose(x, m, net.in, net.in, p.x_t.fit(m * net.in), m);
        product(net.in, w, m, p.x_t, m, g, grad->of[0]);
      }
    }
    if (i) product(m, above, ld, p.d, ld, net.back[i], p.next), std::swap(p.g.data, p.next.data), std::swap(p.g.size, p.next.size);
  }
}

// kingma2015adam on one array, as torch's fused Adam computes it.
template <class F> void adam(F* x, F* mean, F* square, const F* g, Int n, double rate, Int step) {
  const F size = rate / (1 - std::pow(BETA1, step)), root = std::sqrt(1 - std::pow(BETA2, step));
  for (Int j = 0; j < n; ++j) {
    mean[j] += F(1 - BETA1) * (g[j] - mean[j]);
    square[j] = F(BETA2) * square[j] + F(1 - BETA2) * g[j] * g[j];
    x[j] -= size * mean[j] / (std::sqrt(square[j]) / root + F(ADAM_EPS));
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The flow: `vgf.kernels` and `vgf.flow` for one state's particles

// `median_bandwidth` squared, from the pairs' squared distances: the values of two ranks, counted, not sorted.
template <class F> F median_variance(const F* pairs, Int n) {
  F middle = 0;
  for (Int k : {(n * n - 1) / 2, n * n / 2}) {
    if (k < n) continue;  // one of the diagonal's zeros
    const Int rank = (k - n) / 2, count = n * (n - 1) / 2;
    for (Int i = 0; i < count; ++i) {
      Int below = 0;
      for (Int j = 0; j < count; ++j) below += pairs[j] < pairs[i] || (pairs[j] == pairs[i] && j < i);
      if (below == rank) { middle += pairs[i] / 2; break; }
    }
  }
  return middle / F(2 * std::log(double(n + 1))) + F(MEDIAN_FLOOR);
}

// `stein_terms(...).direction` of particles [n, d] along score [n, d]; temperature, sigma (0: the median's), repulsion.
template <class F>
void stein_direction(const F* x, const F* score, Int n, Int d, F temperature, F sigma, bool repulsion, Array<F>& room, F* phi) {
  F *pairs = room.fit(n * n / 2 + n * n), *kernel = pairs + n * n / 2;
  Int p = 0;
  for (Int i = 0; i < n; ++i)
    for (Int j = i + 1; j < n; ++j, ++p) {
      F sum = 0;
      for (Int c = 0; c < d; ++c) sum += (x[i * d + c] - x[j * d + c]) * (x[i * d + c] - x[j * d + c]);
      pairs[p] = sum;
    }
  const F variance = sigma > 0 ? sigma * sigma : median_variance(pairs, n);
  p = 0;
  for (Int i = 0; i < n; ++i) {
    kernel[i * n + i] = 1;
    for (Int j = i + 1; j < n; ++j, ++p) kernel[i * n + j] = kernel[j * n + i] = std::exp(-pairs[p] / (2 * variance));
  }
  const F pull = 1 / (n * temperature), push = repulsion ? 1 / (n * variance) : F(0);
  for (Int i = 0; i < n; ++i)
    for (Int c = 0; c < d; ++c) {
      F sum = 0;
      for (Int j = 0; j < n; ++j)
        sum += kernel[i * n + j] * (pull * score[j * d + c] + push * (x[i * d + c] - x[j * d + c]));
      phi[i * d + c] = sum;
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The agents, one seed at a time

template <class F, class C, class L> struct Worker {
  Job& job;
  const Int s, B = job.batch, o = job.observation, d = job.action;
  Int u = 0, steps[8];
  template <class T> struct Unit {  // a network with its weights packed, and the rows that go through it
    Packed<T, F> net;
    Pass<T, F> pass;
    Array<F> out, base, to_rest;
    F* run(const F* x, Int m) {
      pass.fit(net, m);
      product(m, net.w[0], net.in, x, net.in, net.first, pass.h[0]);
      forward(net, pass, m, out.fit(m * net.out));
      return out;
    }
  };
  std::vector<Unit<C>> critic, target;
  Unit<C> reference, fit, actor, value;
  Unit<L> learner;
  Gradients<F> grad;
  Array<F> sa, s_, s2, x2, a2, r, mask, y, q, goal, err, factor, path, sz, score, first, second, phi, start, room, part;

  Worker(Job& j, Int seed) : job(j), s(seed) {
    for (Int i = 0; i < 8; ++i) steps[i] = job.networks[i].steps;
    critic.resize(net(CRITIC).members), target.resize(net(CRITIC).members);
  }
  Mlp& net(Role role) { return job.networks[role]; }
  bool on(Int flag) const { return job.flags & flag; }
  F set(int i) const { return F(job.setting[i]); }
  const F* noise(int i, Int each) const { return static_cast<const F*>(job.noise[i]) + (u * job.seeds + s) * each; }
  void metric(int i, double sum, double count) { static_cast<F*>(job.metrics)[(u * job.seeds + s) * METRICS + i] = sum / count; }
  const Int* rows() const { return job.index + (u * job.seeds + s) * B; }

  void gather(const void* column, Int width, F* to, Int ld, Int below = 0) {  // `Transitions.rows`
    const F* from = static_cast<const F*>(column);
    for (Int b = 0; b < B; ++b) std::copy_n(from + std::min(rows()[b] + below, job.rows - 1) * width, width, to + b * ld);
  }
  F* join(Array<F>& to, const F* states, const F* others, Int k) {  // `vgf.networks.join`
    F* x = to.fit(B * (o + k));
    for (Int b = 0; b < B; ++b) std::copy_n(states + b * o, o, x + b * (o + k)), std::copy_n(others + b * k, k, x + b * (o + k) + o);
    return x;
  }
  void load() {
    gather(job.observations, o, s_.fit(B * o), o), gather(job.actions, d, a2.fit(B * d), d), join(sa, s_, a2, d);
    gather(job.next_observations, o, s2.fit(B * o), o);
    gather(job.rewards, 1, r.fit(B), 1), gather(job.masks, 1, mask.fit(B), 1), y.fit(B);
  }
  F clip(F x) const { return x < -1 ? F(-1) : x > 1 ? F(1) : x; }
  F bootstrap(Int b, F value) const { return r[b] + set(0) * mask[b] * value; }

  void follow(Role to, Role from, F rate) {  // `heads.follow`
    const Mlp &a = net(to), &c = net(from);
    for (Int i = 0; i < count(c); ++i) {
      const Int n = length(c, i) * c.members;
      F *t = static_cast<F*>(a.parameters[i]) + s * n, *w = static_cast<F*>(c.parameters[i]) + s * n;
      for (Int j = 0; j < n; ++j) t[j] = rate < F(0.5) ? t[j] + rate * (w[j] - t[j]) : w[j] - (w[j] - t[j]) * (1 - rate);
    }
  }
  static Int count(const Mlp& m) { return 2 * m.depth + (m.norm ? 2 * (m.depth - 1) : 0); }
  static Int length(const Mlp& m, Int i) {  // of one member's parameter
    const Int kind = i < 2 * m.depth ? i / m.depth : 2, l = kind < 2 ? i % m.depth : (i - 2 * m.depth) % (m.depth - 1);
    return kind == 0 ? m.widths[l] * m.widths[l + 1] : m.widths[l + 1];
  }
  F* look(Role role, Int member, const F* x, Int state) {  // a network that is to learn, at rows x
    learner.net.pack(net(role), s, member, state, true);
    return learner.run(x, B);
  }
  void descend(Role role, Int member, const F* x, const F* dd, const F* by, F* to_rest = nullptr) {  // `Agent._descend`
    Mlp& m = net(role);
    grad.fit(m);
    backward(learner.net, learner.pass, B, dd, by, x, to_rest, &grad);
    steps[role] += member == 0;
    for (Int i = 0; i < count(m); ++i) {
      const Int n = length(m, i), at = (s * m.members + member) * n;
      adam(static_cast<F*>(m.parameters[i]) + at, static_cast<F*>(m.mean[i]) + at, static_cast<F*>(m.square[i]) + at,
           static_cast<F*>(grad.of[i]), n, m.learning_rate, steps[role]);
    }
  }
  // Values of rows [s, a] under an ensemble: [E][B] in each unit's `out`; with `back` the gradient in a in `to_rest`.
  void values(std::vector<Unit<C>>& units, Role role, const F* x, bool back) {
    for (size_t e = 0; e < units.size(); ++e) {
      units[e].net.pack(net(role), s, e, o, back), units[e].run(x, B);
      if (back) backward<C, F>(units[e].net, units[e].pass, B, nullptr, nullptr, nullptr, units[e].to_rest.fit(B * d), nullptr);
    }
  }
  size_t least(const std::vector<Unit<C>>& units, Int b) const {
    size_t at = 0;
    for (size_t e = 1; e < units.size(); ++e) if (units[e].out[b] < units[at].out[b]) at = e;
    return at;
  }
  F aggregate(const std::vector<Unit<C>>& units, Int b, bool min) const {
    if (min) return units[least(units, b)].out[b];
    F sum = 0;
    for (auto& unit : units) sum += unit.out[b];
    return sum / units.size();
  }
  // The critics' step on the targets y; the loss's weight of one critic; with `toward` their mean gradient in the action.
  void train_critic(F weight, F* toward = nullptr) {
    const Int E = net(CRITIC).members;
    double loss = 0, mean = 0;
    if (toward) std::fill_n(toward, B * d, F(0));
    for (Int e = 0; e < E; ++e) {
      const F* v = look(CRITIC, e, sa, o);
      F* by = factor.fit(B);
      for (Int b = 0; b < B; ++b) loss += (v[b] - y[b]) * (v[b] - y[b]), mean += v[b], by[b] = 2 * weight * (v[b] - y[b]) / B;
      descend(CRITIC, e, sa, nullptr, by, toward ? part.fit(B * d) : nullptr);
      if (toward) for (Int i = 0; i < B * d; ++i) toward[i] += part[i] / E;
    }
    metric(0, loss * weight, B), metric(1, mean, B * E);
  }
  void clone(int at) {  // `Agent._clone`, one step of flow matching; noise[at] [B, d] and time, noise[at + 1] [B]
    const F *z = noise(at, B * d), *t = noise(at + 1, B), *a = a2;
    F *x = path.fit(B * (o + d + 1)), *e = err.fit(B * d);
    const Int in = o + d + 1;
    double loss = 0;
    for (Int b = 0; b < B; ++b) {
      std::copy_n(s_ + b * o, o, x + b * in), x[b * in + o + d] = t[b];
      for (Int c = b * d; c < (b + 1) * d; ++c) x[b * in + o + c - b * d] = z[c] + t[b] * (a[c] - z[c]);
    }
    const F* v = look(REFERENCE, 0, x, o);
    for (Int i = 0; i < B * d; ++i) e[i] = v[i] - (a[i] - z[i]), loss += e[i] * e[i], e[i] *= F(2) / (B * d);
    descend(REFERENCE, 0, x, e, nullptr);
    metric(7, loss, B * d);
  }

  // Particles x [n, N, d] of states that begin at b: blocks of rows through a network whose share of the states is `base`.
  template <class Then> void blocks(Unit<C>& unit, const F* x, Int b, Int n, Int N, F time, Then then) {
    auto& [net, pass, out, base, to_rest] = unit;
    const Int w = net.w[0], most = 32;
    pass.fit(net, most), out.fit(n * N * net.out), to_rest.fit(n * N * d);
    for (Int at = 0; at < n * N; at += most) {
      const Int m = std::min(most, n * N - at);
      for (Int i = 0; i < m; ++i) {
        F *h = pass.h[0] + i * w, *own = base + (b + (at + i) / N) * w, *row = net.first + (o + d) * w;
        if (net.rest > d) for (Int j = 0; j < w; ++j) h[j] = own[j] + time * row[j];
        else std::copy_n(own, w, h);
      }
      product(m, w, d, x + at * d, d, net.first + o * w, pass.h[0], true);
      forward(net, pass, m, out + at * net.out);
      then(at, m);
    }
  }
  void prepare(Unit<C>& unit, Role role, Int member, const F* states, Int m, bool back) {
    unit.net.pack(net(role), s, member, o, back);
    product(m, unit.net.w[0], o, states, o, unit.net.first, unit.base.fit(m * unit.net.w[0]));
  }
  void integrate(F* x, Int b, Int n, Int N) {  // `FlowReference.sample`, in place of the noise
    for (Int t = 0; t < job.flow_steps; ++t) {
      blocks(reference, x, b, n, N, F(t) / job.flow_steps, [](Int, Int) {});
      for (Int i = 0; i < n * N * d; ++i) x[i] += reference.out[i] / job.flow_steps;
    }
    for (Int i = 0; i < n * N * d; ++i) x[i] = clip(x[i]);
  }
  void draw(F* x, Int b, Int n, Int N) {  // `VGF._draw`: from the bank, or anew
    if (!job.bank) {
      std::copy_n(noise(0, B * N * d) + b * N * d, n * N * d, x);
      return integrate(x, b, n, N);
    }
    const Int K = job.bank_size, *begin = job.start + (u * job.seeds + s) * B;
    const auto* bank = static_cast<const at::Half*>(job.bank) + s * job.rows * K * d;
    for (Int i = 0; i < n; ++i)
      for (Int j = 0; j < N; ++j)
        for (Int c = 0; c < d; ++c) x[(i * N + j) * d + c] = float(bank[(rows()[b + i] * K + (begin[b + i] + j) % K) * d + c]);
  }
  void look_up(const F* x, Int b, Int n, Int N, F* to) {  // `Core.scorer`: the gradient in the action, or what is fitted to it
    if (net(FIT).depth) {
      blocks(fit, x, b, n, N, F(0), [](Int, Int) {});
      std::copy_n(fit.out.data.get(), n * N * d, to);
      return;
    }
    for (auto& unit : critic)
      blocks(unit, x, b, n, N, F(0), [&](Int at, Int m) { backward<C, F>(unit.net, unit.pass, m, nullptr, nullptr, nullptr, unit.to_rest + at * d, nullptr); });
    for (Int i = 0; i < n * N; ++i)
      for (Int c = i * d; c < (i + 1) * d; ++c) {
        to[c] = 0;
        if (on(FLOW_MIN)) to[c] = critic[least(critic, i)].to_rest[c];
        else for (auto& unit : critic) to[c] += unit.to_rest[c] / critic.size();
      }
  }
  // `transport` of particles x [n, N, d]; settings: step size, temperature, sigma (0: the median's).
  void transport(F* x, Int b, Int n, Int N) {
    const Int size = n * N * d;
    std::fill_n(first.fit(size), size, F(0)), std::fill_n(second.fit(size), size, F(0)), score.fit(size), phi.fit(size);
    for (Int t = 1; t <= job.train_steps; ++t) {
      look_up(x, b, n, N, score);
      for (Int i = 0; i < n; ++i)
        stein_direction(x + i * N * d, score + i * N * d, N, d, set(3), set(4), on(REPULSION), room, phi + i * N * d);
      const F rate = set(2), c1 = 1 - std::pow(BETA1, t), c2 = 1 - std::pow(BETA2, t);
      for (Int i = 0; i < size; ++i) {
        if (on(ADAM_FLOW)) {
          first[i] = F(BETA1) * first[i] - F(1 - BETA1) * phi[i], second[i] = F(BETA2) * second[i] + F(1 - BETA2) * phi[i] * phi[i];
          x[i] -= rate * (first[i] / c1) / (std::sqrt(second[i] / c2) + F(ADAM_EPS));
        } else x[i] += rate * phi[i];
        x[i] = clip(x[i]);
      }
    }
  }
  static double spread(const F* x, Int n, Int N, Int d) {
    double sum = 0;
    for (Int i = 0; i < n; ++i) for (Int c = 0; c < d; ++c) {
      double mean = 0;
      for (Int j = 0; j < N; ++j) mean += x[(i * N + j) * d + c] / N;
      for (Int j = 0; j < N; ++j) sum += (x[(i * N + j) * d + c] - mean) * (x[(i * N + j) * d + c] - mean);
    }
    return sum;
  }
  void td_target() {  // `VGF.td_target`
    const Int N = job.particles;
    const bool min = on(TARGET_MIN);
    if (!job.bank) prepare(reference, REFERENCE, 0, s2, B, false);
    if (net(FIT).depth) prepare(fit, FIT, 0, s2, B, false);
    for (size_t e = 0; e < critic.size(); ++e) {
      if (!net(FIT).depth && job.train_steps) prepare(critic[e], CRITIC, e, s2, B, true);
      prepare(target[e], TARGET, e, s2, B, false);
    }
    double moved = 0, before = 0, after = 0, mean = 0;
    for (Int b = 0; b < B; b += STATES) {
      const Int n = std::min(STATES, B - b), size = n * N * d;
      F *x = x2.fit(size), *from = start.fit(size);
      draw(x, b, n, N);
      std::copy_n(x, size, from);
      transport(x, b, n, N);
      for (auto& unit : target) blocks(unit, x, b, n, N, F(0), [](Int, Int) {});
      for (Int i = 0; i < n; ++i) {
        F sum = 0, best = 0;
        for (Int j = i * N; j < (i + 1) * N; ++j) {
          const F v = aggregate(target, j, min);
          best = j == i * N || v > best ? v : best, sum += v;
        }
        y[b + i] = bootstrap(b + i, on(TARGET_MAX) ? best : sum / N), mean += y[b + i];
      }
      for (Int i = 0; i < n * N; ++i) {
        double sum = 0;
        for (Int c = i * d; c < (i + 1) * d; ++c) sum += (x[c] - from[c]) * (x[c] - from[c]);
        moved += std::sqrt(sum);
      }
      before += spread(from, n, N, d), after += spread(x, n, N, d);
    }
    metric(2, mean, B), metric(3, moved, B * N), metric(4, before, B * N), metric(5, after, B * N);
  }
  void vgf() {
    if (on(TRAIN_CRITIC)) {
      td_target();
      follow(TARGET, CRITIC, set(1));
      train_critic(1, net(FIT).depth ? goal.fit(B * d) : nullptr);
      if (net(FIT).depth) fit_gradient();
    }
    if (on(CLONE)) clone(1);
  }
  void fit_gradient() {  // `VGF._update_gradient`
    F* e = err.fit(B * d);
    const F* f = look(FIT, 0, sa, o);
    double loss = 0;
    for (Int b = 0; b < B; ++b) {
      F norm = 0;
      for (Int c = b * d; c < (b + 1) * d; ++c) norm += goal[c] * goal[c];
      for (Int c = b * d; c < (b + 1) * d; ++c) {
        e[c] = f[c] - (on(UNIT_GRADIENT) ? goal[c] / (std::sqrt(norm) + F(1e-8)) : goal[c]);
        loss += e[c] * e[c], e[c] *= F(2) / (B * d);
      }
    }
    descend(FIT, 0, sa, e, nullptr);
    metric(6, loss, B * d);
  }
  void fql() {  // noise: the target's [B, d], the policy's [B, d], cloning's; settings: alpha
    actor.net.pack(net(ACTOR), s, 0, o, false);
    F* next = actor.run(join(x2, s2, noise(0, B * d), d), B);
    for (Int i = 0; i < B * d; ++i) next[i] = clip(next[i]);
    values(target, TARGET, join(x2, s2, next, d), false);
    double mean = 0, distance = 0, pull = 0, size = 0;
    for (Int b = 0; b < B; ++b) mean += y[b] = bootstrap(b, aggregate(target, b, on(TARGET_MIN)));
    follow(TARGET, CRITIC, set(1));
    prepare(reference, REFERENCE, 0, s_, B, false);
    F* flowed = part.fit(B * d);
    std::copy_n(noise(1, B * d), B * d, flowed);
    integrate(flowed, 0, B, 1);
    const F *in = join(sz, s_, noise(1, B * d), d), *a = look(ACTOR, 0, in, o);
    F *e = err.fit(B * d), *boxed = goal.fit(B * d);
    for (Int i = 0; i < B * d; ++i) boxed[i] = clip(a[i]);
    values(critic, CRITIC, join(x2, s_, boxed, d), true);
    for (Int b = 0; b < B; ++b) pull -= aggregate(critic, b, false), size += std::abs(aggregate(critic, b, false));
    const F scale = on(NORMALISE_Q) ? size / B : 1, E = critic.size();
    for (Int i = 0; i < B * d; ++i) {
      F along = 0;
      for (auto& unit : critic) along += unit.to_rest[i] / E;
      distance += (a[i] - flowed[i]) * (a[i] - flowed[i]);
      e[i] = 2 * set(2) * (a[i] - flowed[i]) / (B * d) - (std::abs(a[i]) <= 1 ? along / (B * scale) : F(0));
    }
    descend(ACTOR, 0, in, e, nullptr);
    metric(2, mean, B), metric(3, distance, B * d), metric(4, pull / scale, B);
    train_critic(F(1) / E);
    clone(2);
  }
  void implicit() {  // IQL, and IDQL with a flow; settings: expectile, beta, largest weight, rate of the average
    values(target, TARGET, sa, false);
    const F *v = look(VALUE, 0, s_, o), B_ = B;
    F *by = factor.fit(B), *q_ = q.fit(B);
    double loss = 0, mean = 0, weight = 0, clipped = 0;
    for (Int b = 0; b < B; ++b) {
      q_[b] = aggregate(target, b, true);
      const F gap = q_[b] - v[b], w = gap < 0 ? 1 - set(2) : set(2);
      loss += w * gap * gap, mean += v[b], by[b] = -2 * w * gap / B_;
    }
    metric(2, loss, B), metric(3, mean, B);
    descend(VALUE, 0, s_, nullptr, by);
    value.net.pack(net(VALUE), s, 0, o, false);
    const F* next = value.run(s2, B);
    for (Int b = 0; b < B; ++b) y[b] = bootstrap(b, next[b]);
    train_critic(1);
    if (on(CLONE)) clone(0), follow(ACTOR_TARGET, REFERENCE, set(5));
    if (on(WEIGHTED)) {
      const F *now = value.run(s_, B), *a = look(ACTOR, 0, s_, o);
      F *e = err.fit(B * d), *log_std = static_cast<F*>(net(STD).parameters[0]) + s * d, *g = part.fit(d);
      std::fill_n(g, d, F(0)), loss = 0;
      for (Int b = 0; b < B; ++b) {
        const F w = std::min(std::exp(set(3) * (q_[b] - now[b])), set(4));
        weight += w, clipped += w >= set(4);
        for (Int c = 0; c < d; ++c) {
          const F std = std::min(std::max(log_std[c], F(-5)), F(2)), mu = on(SQUASH) ? std::tanh(a[b * d + c]) : a[b * d + c];
          const F z = (a2[b * d + c] - mu) * std::exp(-std);
          loss += w * (z * z / 2 + std + F(std::log(2 * M_PI) / 2));
          e[b * d + c] = -w / B_ * z * std::exp(-std) * (on(SQUASH) ? 1 - mu * mu : F(1));
          if (log_std[c] >= -5 && log_std[c] <= 2) g[c] += w / B_ * (1 - z * z);
        }
      }
      descend(ACTOR, 0, s_, e, nullptr);
      if (net(STD).mean) adam(log_std, static_cast<F*>(net(STD).mean[0]) + s * d, static_cast<F*>(net(STD).square[0]) + s * d, g, d, net(STD).learning_rate, ++steps[STD]);
      metric(4, loss, B), metric(5, weight, B), metric(6, clipped, B);
    }
    follow(TARGET, CRITIC, set(1));
  }
  void td3() {  // TD3+BC and ReBRAC; settings: noise, its clip, alpha or beta_1, beta_2
    actor.net.pack(net(ACTOR_TARGET), s, 0, o, false);
    F* a = actor.run(s2, B);
    const F* z = noise(0, B * d);
    for (Int i = 0; i < B * d; ++i) a[i] = clip(std::tanh(a[i]) + std::min(std::max(set(2) * z[i], -set(3)), set(3)));
    values(target, TARGET, join(x2, s2, a, d), false);
    F* seen = part.fit(B * d);
    gather(job.actions, d, seen, d, 1);
    double mean = 0;
    for (Int b = 0; b < B; ++b) {
      F far = 0;
      for (Int c = b * d; c < (b + 1) * d; ++c) far += (a[c] - seen[c]) * (a[c] - seen[c]);
      mean += y[b] = bootstrap(b, aggregate(target, b, true) - (set(5) > 0 ? set(5) * far : F(0)));
    }
    metric(2, mean, B);
    train_critic(1);
    if ((job.first_update + u + 1) % job.delay) return;
    a = look(ACTOR, 0, s_, o);
    F *e = err.fit(B * d), *own = goal.fit(B * d);
    for (Int i = 0; i < B * d; ++i) own[i] = std::tanh(a[i]);
    values(critic, CRITIC, join(x2, s_, own, d), true);
    double size = 0, sum = 0, far = 0, off = 0;
    for (Int b = 0; b < B; ++b) {
      const F v = critic[on(FIRST_CRITIC) ? 0 : least(critic, b)].out[b];
      size += std::abs(v), sum += v;
    }
    const F pull = (on(FIRST_CRITIC) ? set(4) : F(1)) / (size / B), each = on(MEAN_SQUARE) ? F(1) / (B * d) : set(4) / B;
    for (Int b = 0; b < B; ++b) {
      double square = 0;
      const F* along = critic[on(FIRST_CRITIC) ? 0 : least(critic, b)].to_rest;
      for (Int c = b * d; c < (b + 1) * d; ++c) {
        square += (own[c] - a2[c]) * (own[c] - a2[c]);
        e[c] = (2 * each * (own[c] - a2[c]) - pull / B * along[c]) * (1 - own[c] * own[c]);
      }
      far += square, off += std::sqrt(square);
    }
    descend(ACTOR, 0, s_, e, nullptr);
    follow(TARGET, CRITIC, set(1)), follow(ACTOR_TARGET, ACTOR, set(1));
    metric(3, each * far - pull * sum / B, 1), metric(4, off, B);
  }
  void fill_bank() {  // K reference actions for states [B, o] that begin at row `first_update` of the bank
    const Int K = job.bank_size;
    prepare(reference, REFERENCE, 0, static_cast<const F*>(job.next_observations), B, false);
    auto* bank = static_cast<at::Half*>(job.bank) + (s * job.rows + job.first_update) * K * d;
    for (Int b = 0; b < B; b += STATES) {
      const Int n = std::min(STATES, B - b), size = n * K * d;
      F* x = x2.fit(size);
      std::copy_n(noise(0, B * K * d) + b * K * d, size, x);
      integrate(x, b, n, K);
      for (Int i = 0; i < size; ++i) bank[b * K * d + i] = at::Half(float(x[i]));
    }
  }
  void run() {
    for (u = 0; u < job.updates; ++u) {
      if (job.method == BANK) { fill_bank(); continue; }
      load();
      job.method == VGF ? vgf() : job.method == FQL ? fql() : job.method == IMPLICIT ? implicit() : td3();
    }
  }
};

// Seeds share nothing, so each takes a thread where torch may use several.
template <class F, class C, class L> void run(Job& job) {
  std::exception_ptr fault;
  std::mutex guard;
  std::atomic<Int> next{0};
  Int steps[8];
  auto serve = [&] {
    try {
      for (Int s; (s = next++) < job.seeds;) {
        Worker<F, C, L> worker(job, s);
        worker.run();
        if (s == 0) std::copy_n(worker.steps, 8, steps);
      }
    } catch (...) {
      std::lock_guard<std::mutex> lock(guard);
      fault = std::current_exception();
    }
    at::native::cpublas::brgemm_release(true);
  };
  std::vector<std::thread> others;
  for (Int i = 1; i < std::min<Int>(job.seeds, at::get_num_threads()); ++i) others.emplace_back(serve);
  serve();
  for (auto& other : others) other.join();
  if (fault) std::rethrow_exception(fault);
  for (Int i = 0; i < 8; ++i) job.networks[i].steps = steps[i];
}

template <class Call> const char* told(Call call) {
  static thread_local std::string fault;
  try {
    call();
    return nullptr;
  } catch (const std::exception& error) {
    fault = error.what();
    return fault.c_str();
  }
}

}  // namespace

// Do k updates of every seed; null, or what went wrong.
extern "C" const char* vgf_run(Job* job) {
  return told([&] {
    switch (job->precision) {
      case 0: return run<double, double, double>(*job);
      case 1: return run<float, float, float>(*job);
      case 2: return run<float, Low, float>(*job);
      default: return run<float, Low, Low>(*job);
    }
  });
}

// Try a product in a precision, which the library refuses where the processor has none.
extern "C" const char* vgf_check(int precision) {
  return told([&] {
    alignas(64) static const float ones[32 * 32] = {};
    alignas(64) float sums[32 * 32];
    product(32, 32, 32, ones, 32, ones, sums);
    if (precision > 1) product(32, 32, 32, reinterpret_cast<const Low*>(ones), 32, reinterpret_cast<const Low*>(ones), sums);
    at::native::cpublas::brgemm_release(true);
  });
}

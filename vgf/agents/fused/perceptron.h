// A perceptron on a CPU: its memory, its matrix products, its way ahead and back, and Adam. The twin of
// `vgf.networks.MLP`, of autograd through it, and of torch's fused Adam.
//
// Rows go through a network in blocks that stay in the core's cache, and what lies between two matrix products is one
// pass over a row. Products are those of the library that torch ships: `at::native::cpublas::brgemm` picks AMX, AVX-512
// or AVX2 at run time. Two identities save work and are exact:
// - a layer normalisation does not see the mean of its input, so weights W - mean_out(W) and biases b - mean(b) give it
//   an input of mean zero, and one of two reductions disappears, forward and backward;
// - the gradient of a loss on one output is the gradient of the output times a factor for each row, so one backward
//   pass gives both the critic's gradient in the action and, scaled where it meets the inputs, that of the loss.
//
// Types: F holds numbers and sums (float; double in tests), T is what products multiply (float or bfloat16; double in
// tests). The first layer and the last are in F whatever T is.
#pragma once

#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <vector>

using Int = int64_t;
using Low = at::BFloat16;

// A perceptron of all seeds and members, as Python hands it over (`Mlp` of job.py, field by field).
extern "C" struct Mlp {  // a perceptron of all seeds and members: `vgf.networks.MLP`
  Int depth, members, norm;        // weight matrices (0: there is no such network), members of a seed, normalised?
  const Int* widths;               // [depth + 1], from input to output
  void **parameters, **mean, **square;  // weights, biases, gains, offsets [S, E, ...]; Adam's moments of each
  Int steps;                       // Adam's steps so far; counted on here
  double learning_rate;
};

namespace vgf {

constexpr double NORM_EPS = 1e-6, BETA1 = 0.9, BETA2 = 0.999, ADAM_EPS = 1e-8;

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

// c [m, n] (+)= a [m, k] b [k, n]; a row of c begins `ldc` behind the one before. In bfloat16 b holds pairs of rows
// interleaved, and k is even.
inline void product(Int m, Int n, Int k, const float* a, Int lda, const float* b, float* c, Int ldc, bool add = false) {
  at::native::cpublas::brgemm(m, n, k, lda, n, ldc, add, a, b, c, false);
}
inline void product(Int m, Int n, Int k, const Low* a, Int lda, const Low* b, float* c, Int ldc, bool add = false) {
  at::native::cpublas::brgemm(m, n, k, lda, n, ldc, add, a, b, c, true);
}
inline void product(Int m, Int n, Int k, const double* a, Int lda, const double* b, double* c, Int ldc,
                    bool add = false) {
  for (Int i = 0; i < m; ++i) {  // the library offers none; tests alone use it
    if (!add) std::fill_n(c + i * ldc, n, 0.0);
    for (Int l = 0; l < k; ++l)
      for (Int j = 0; j < n; ++j) c[i * ldc + j] += a[i * lda + l] * b[l * n + j];
  }
}

template <class T> void transpose(const T* from, Int rows, Int columns, Int ld, T* to, Int to_ld) {
  constexpr Int B = 16;
  for (Int i0 = 0; i0 < rows; i0 += B)
    for (Int j0 = 0; j0 < columns; j0 += B)
      for (Int j = j0; j < std::min(j0 + B, columns); ++j)
        for (Int i = i0; i < std::min(i0 + B, rows); ++i) to[j * to_ld + i] = from[i * ld + j];
}

// A right-hand side lies in panels of PANEL columns, [k, PANEL] one behind the other; with AVX-512 one panel has them all.
// AVX2's products use few columns of all rows at a time. In rows of 256 or 512 numbers these lie a power of two apart and
// push each other out of the first cache. In float64 there are panels on every processor, so that tests see them.
template <class T> constexpr Int PANEL = std::numeric_limits<Int>::max();
template <> constexpr Int PANEL<double> = 32;
#if defined(__AVX2__) && !defined(__AVX512F__)
template <> constexpr Int PANEL<float> = 32;
#endif

// `product` with b as `right` and `right_transposed` make it.
template <class T, class F> void product_of_panels(Int m, Int n, Int k, const T* a, Int lda, const T* b, F* c) {
  for (Int j = 0, p; j < n; j += p) {
    p = std::min(PANEL<T>, n - j);
    product(m, p, k, a, lda, b + j * k, c + j, n);
  }
}

// Make [k, n] the right-hand side of a product.
template <class F> void right(const F* from, Int k, Int n, F* to) {
  for (Int j = 0, p; j < n; j += p) {
    p = std::min(PANEL<F>, n - j);
    for (Int i = 0; i < k; ++i) std::copy_n(from + i * n + j, p, to + j * k + i * p);
  }
}
inline void right(const float* from, Int k, Int n, Low* to) {
  auto* out = reinterpret_cast<uint32_t*>(to);
  for (Int i = 0; i < k; i += 2) {
    const float *a = from + i * n, *b = a + n;
    if (i + 1 < k) for (Int j = 0; j < n; ++j) out[i / 2 * n + j] = rounded(a[j]) >> 16 | rounded(b[j]);
    else for (Int j = 0; j < n; ++j) out[i / 2 * n + j] = rounded(a[j]) >> 16;
  }
}
// Make the transpose of [k, n] the right-hand side of a product: pairs of its rows are pairs in a row of [k, n].
template <class F> void right_transposed(const F* from, Int k, Int n, F* to, Array<F>&) {
  for (Int j = 0, p; j < k; j += p) {
    p = std::min(PANEL<F>, k - j);
    transpose(from + j * n, p, n, n, to + j * n, p);
  }
}
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
      if (!net.norm || i == hidden) continue;
      of[2 * net.depth + i].fit(net.widths[i + 1]), of[2 * net.depth + hidden + i].fit(net.widths[i + 1]);
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
    for (Int r = 0; r < m; ++r) {
      F* h = p.h[i] + r * w;
      if (i < last && ld > w) put(p.y[i] + r * ld, w, F(0));
      p.scale[i][r] = i == last ? row_ahead(h, bias, gain, offset, w, p.top + r * w)
                                : row_ahead(h, bias, gain, offset, w, p.y[i] + r * ld);
    }
    if (i < last) product_of_panels<T, F>(m, net.w[i + 1], ld, p.y[i], ld, net.ahead[i + 1], p.h[i + 1]);
  }
  if (net.out > 1) product(m, net.out, top, p.top, top, net.last, out, net.out);
  for (Int r = 0; r < m; ++r) {
    if (net.out == 1) {
      F sum = 0;
      for (Int j = 0; j < top; ++j) sum += p.top[r * top + j] * net.last[j];
      out[r] = sum;
    }
    for (Int j = 0; j < net.out; ++j) out[r * net.out + j] += net.last_bias[j];
  }
}

// One row's derivative g through activation and normalisation, in place and to `low`; with `d_gain` their parameters'.
template <class Y, class T, class F>
void row_back(F* g, const F* h, const Y* y, Int w, const F* gain, F scale, F* d_gain, F* d_offset, F factor,
              bool centre, T* low) {
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
  if (net.out > 1) product(m, top, net.out, d, net.out, net.last_t, p.g, top);
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
    product(top, net.out, m, p.x_t, m, dl, dw, net.out);
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
      if (low && ld > w) put(low, w, F(0));  // half a pair: it meets a row of zeros, and must be finite
      if (i == net.hidden - 1) row_back(g + r * w, h, p.top + r * w, w, gain, scale, d_gain, d_offset, f, !!grad, low);
      else row_back(g + r * w, h, p.y[i] + r * ld, w, gain, scale, d_gain, d_offset, f, !!grad, low);
    }
    if (!i && to_rest) product(m, net.rest, w, g, w, net.first_rest, to_rest, net.rest);
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
        product_of_panels<T, F>(above, w, rows, p.y_t, rows, p.d_right, grad->of[i]);
      } else {
        transpose(x, m, net.in, net.in, p.x_t.fit(m * net.in), m);
        product(net.in, w, m, p.x_t, m, g, grad->of[0], w);
      }
    }
    if (!i) continue;
    product_of_panels<T, F>(m, above, ld, p.d, ld, net.back[i], p.next);
    std::swap(p.g.data, p.next.data), std::swap(p.g.size, p.next.size);
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

}  // namespace vgf

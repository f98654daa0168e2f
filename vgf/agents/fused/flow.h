// The Stein direction of one state's particles: the twin of `vgf.kernels` and of `vgf.flow.stein_terms`.
#pragma once

#include "perceptron.h"

namespace vgf {

constexpr double MEDIAN_FLOOR = 5e-7;  // keeps coincident particles finite; see `median_bandwidth`

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

// `stein_terms(...).direction` of particles [n, d] along score [n, d]; temperature, sigma (0: the median's), and
// the weight of repulsion, 0 or 1, or the unit that it is measured in.
template <class F>
void stein_direction(const F* x, const F* score, Int n, Int d, F temperature, F sigma, F repulsion, Array<F>& room,
                     F* phi) {
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
  const F pull = 1 / (n * temperature), push = repulsion / (n * variance);
  for (Int i = 0; i < n; ++i)
    for (Int c = 0; c < d; ++c) {
      F sum = 0;
      for (Int j = 0; j < n; ++j)
        sum += kernel[i * n + j] * (pull * score[j * d + c] + push * (x[i * d + c] - x[j * d + c]));
      phi[i * d + c] = sum;
    }
}

}  // namespace vgf

// Denoising diffusion in a few steps: the twin of `vgf.agents.diffusion`, and of autograd through a chain of its steps.
#pragma once

#include "perceptron.h"

namespace vgf {

constexpr double BETA_MIN = 0.1, BETA_MAX = 10;  // `vp_schedule`
constexpr Int FEATURES = 16;                     // `time_features`

// One step back: x_{t-1} = of_clean * clip(clean) + of_x * x_t + spread * noise, where clean = x_t / root - ratio *
// predicted.
template <class F> struct Back { F of_clean, of_x, spread, root, ratio; };

template <class F> struct Schedule {
  Int steps;
  std::vector<F> abar, features;                 // [T]; [T, FEATURES]
  std::vector<Back<F>> back;

  explicit Schedule(Int T) : steps(T), abar(T), features(T * FEATURES), back(T) {
    double product = 1;
    for (Int t = 0; t < T; ++t) {
      const double kept = std::exp(-BETA_MIN / T - (BETA_MAX - BETA_MIN) * (2 * t + 1) / (2. * T * T));
      const F beta = F(1 - kept), before = t ? abar[t - 1] : F(1), now = abar[t] = F(product *= kept);
      back[t] = {beta * std::sqrt(before) / (1 - now), (1 - before) * std::sqrt(1 - beta) / (1 - now),
                 std::sqrt(beta * (1 - before) / (1 - now)), std::sqrt(now), std::sqrt(1 - now) / std::sqrt(now)};
      for (Int j = 0; j < FEATURES / 2; ++j) {
        const double angle = t * std::exp(-std::log(10000.) * j / (FEATURES / 2 - 1));
        features[t * FEATURES + j] = F(std::sin(angle)), features[t * FEATURES + FEATURES / 2 + j] = F(std::cos(angle));
      }
    }
  }
  // Noising: sqrt(abar) a + sqrt(1 - abar) z.
  F noised(Int t, F a, F z) const { return back[t].root * a + std::sqrt(1 - abar[t]) * z; }
  F clean(Int t, F x, F predicted) const { return x / back[t].root - back[t].ratio * predicted; }
};

}  // namespace vgf

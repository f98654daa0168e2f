"""Value gradient flow on language: only what differs from actions lives here.

Particles are N responses to one prompt, moved in a differentiable proxy space and brought back to tokens by a decoder;
kernel, direction and budget are those of `vgf.flow` (xu2026vgf). The default parts are small, real and come from
package registries: SmolLM2-135M, human ratings of movie-review snippets, and a MiniLM judge. The paper's own setting
goes by the names of its models and datasets.

    sources, prepare    fetch and check the parts              reward, minilm   reward model and judge of the default
    data, preferences   prompts and responses, split           sampling         responses with their Gumbel noise kept
    settings            sizes; where a stage leaves its work   flow, decoders   the method on language
    models, lora, loop  the policy and how it is trained       methods          what is compared
    stages              sft, reward, judge                     group, align     every method on the same prompts
    study               a whole experiment file                evaluate, table  records per prompt, and their summary
    judge, verdicts     pairs before an OpenAI-compatible API  preferred, ppo   DPO, RLOO and PPO through TRL
"""

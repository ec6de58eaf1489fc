"""Problems of neural architecture search to try; the reward is maximised."""

"""From the config of a layer or model of Keras 1 to one of Keras 3, and where its weights go."""
